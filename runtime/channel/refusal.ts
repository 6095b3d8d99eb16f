// Whether a function may send an operation: the rules of the command table, applied to one command with its arguments.
// Asked before anything is sent. `runtime/native/command_table.cc` is its twin, held to the same cases by
// `refusal-cases.ts`.

import type { ErrorCode } from "#runtime/errors.ts";
import { REASONS, REFUSAL_HINT, type ArgumentRule, type Reason } from "./command-rule.ts";
import { COMMAND_ROWS, type CommandRow } from "./command-rows.ts";

/** What an operation is made of: the command's name, then its arguments. */
export type Argument = string | Uint8Array;

/** What the operation rejects with. */
export interface Refusal {
  readonly code: ErrorCode;
  /** Printable ASCII, one line, at most 200 characters. */
  readonly message: string;
}

const OWN_PREFIX = "locus:";
/** Bytes of an argument that a message shows. */
const SHOWN_BYTES_MAX = 64;

const rows = new Map(COMMAND_ROWS.map((row) => [row.name, row]));
const encoder = new TextEncoder();

/** Null where the operation may be sent; Redis itself checks arity and everything else. */
export function checkOperation(argv: readonly Argument[]): Refusal | null {
  const words = argv.map(asText);
  const row = findRow(words[0] ?? "", words[1]);
  if (row === undefined) return refuse(shown(argv[0] ?? ""), "unknown");
  const name = displayName(row.name).replace("|", " ");
  if (row.standing === "refused") return refuse(name, row.reason);
  if (row.standing === "container") {
    return refuse(argv[1] === undefined ? name : `${name} ${shown(argv[1])}`, "unknown");
  }
  for (const rule of row.rules) {
    const found = checkArguments(rule, words);
    if (found !== null) return refuse(`${name} ${shown(argv[found.at] ?? "")}`, found.reason);
  }
  return null;
}

/** The most exact row: a container's subcommand where there is such a row, else the command itself. */
function findRow(name: string, subcommand: string | undefined): CommandRow | undefined {
  const row = name.includes("|") ? undefined : rows.get(asciiLower(name));
  if (row?.standing !== "container" || subcommand === undefined) return row;
  return rows.get(`${row.name}|${asciiLower(subcommand)}`) ?? row;
}

interface Finding {
  readonly at: number;
  readonly reason: Reason;
}

/** The first argument that the rule forbids. */
function checkArguments(rule: ArgumentRule, words: readonly string[]): Finding | null {
  switch (rule.kind) {
    case "keys":
      return checkKeys(words, rule.first, rule.last < 0 ? words.length + rule.last : rule.last, rule.step);
    case "counted":
      return checkKeys(words, rule.at + 1, rule.at + countAt(words, rule.at), 1);
    case "streams":
      return checkStreams(words);
    case "after":
      return checkAfter(words, rule.token, rule.from, rule.takes);
    case "forbidden": {
      const at = words.findIndex((word, index) => index >= rule.from && isToken(word, rule.token));
      if (at >= 0) return { at, reason: rule.reason };
      break;
    }
    case "channel":
      if (isOwn(words[rule.at] ?? "")) return { at: rule.at, reason: "channel" };
      break;
  }
  return null;
}

function checkKeys(words: readonly string[], first: number, last: number, step: number): Finding | null {
  for (let at = first; at <= last && at < words.length; at += step) {
    if (isOwn(words[at] ?? "")) return { at, reason: "key" };
  }
  return null;
}

function countAt(words: readonly string[], at: number): number {
  const count = words[at] ?? "";
  return /^[1-9][0-9]{0,8}$/.test(count) ? Number(count) : words.length;
}

/** Follows Redis' own parser word by word: a group or a consumer may be called "STREAMS". */
function checkStreams(words: readonly string[]): Finding | null {
  for (let at = 1; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (isToken(word, "STREAMS")) return checkKeys(words, at + 1, at + Math.ceil((words.length - at - 1) / 2), 1);
    if (isToken(word, "BLOCK")) return { at, reason: "blocks" };
    if (isToken(word, "GROUP")) at += 2;
    else if (isToken(word, "COUNT")) at += 1;
    else if (!isToken(word, "NOACK")) return { at, reason: "option" };
  }
  return null;
}

function checkAfter(words: readonly string[], token: string, from: number, takes: "key" | "pattern"): Finding | null {
  const forbids = takes === "key" ? isOwn : reachesOwn;
  for (let at = from + 1; at < words.length; at += 1) {
    if (isToken(words[at - 1] ?? "", token) && forbids(words[at] ?? "")) return { at, reason: takes };
  }
  return null;
}

const isOwn = (key: string): boolean => key.startsWith(OWN_PREFIX);

function reachesOwn(pattern: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return isOwn(pattern);
  const start = pattern.slice(0, star);
  return isOwn(start) || OWN_PREFIX.startsWith(start);
}

const isToken = (word: string, token: string): boolean =>
  asciiLower(word.split("\0", 1)[0] ?? "") === token.toLowerCase();

/** As C's `tolower`: `toLowerCase` would also fold the Kelvin sign to "k". */
const asciiLower = (text: string): string => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Bytes as one character each: enough here, where everything that is compared is ASCII. */
const asText = (argument: Argument): string =>
  typeof argument === "string"
    ? argument
    : Buffer.from(argument.buffer, argument.byteOffset, argument.length).toString("latin1");

/** A command's name as messages have it. */
export const displayName = (name: string): string => shown(name).toUpperCase();

function refuse(what: string, reason: Reason): Refusal {
  return { code: "COMMAND_REFUSED", message: `${what}: ${REASONS[reason]}${REFUSAL_HINT}` };
}

/** An argument in a message: one line of printable ASCII, whatever it holds. */
function shown(argument: Argument): string {
  const bytes = typeof argument === "string" ? encoder.encode(argument) : argument;
  const text = Array.from(bytes.subarray(0, SHOWN_BYTES_MAX), (byte) =>
    byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?",
  ).join("");
  return bytes.length > SHOWN_BYTES_MAX ? `${text}...` : text;
}
