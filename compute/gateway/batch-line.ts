// One line of a batch: what a client writes, `{"args": …, "keys": […]}` with both members optional, and what it reads
// back, `{"result": …}` or `{"error": …}`.

import { ERRORS, type ErrorCode } from "#runtime/errors.ts";
import type { Reply } from "../node/invoker.ts";
import { traceOf } from "../node/trace.ts";
import { membersOf } from "./json-members.ts";
import type { Line } from "./ndjson.ts";
import { refusalIn, type Refusal } from "./refusal.ts";

/** What the client asked to be told of each call beside its result. */
export interface LineWishes {
  readonly usage: boolean;
  readonly trace: boolean;
  readonly logs: boolean;
}

export type ParsedLine =
  | { readonly ok: true; readonly argsJson: string; readonly keys: readonly string[] }
  | { readonly ok: false; readonly message: string };

const NO_KEYS: readonly string[] = [];
const NAME_LENGTH_SHOWN = 40;

/** args are passed on as they stand, as the body of one call is: the sandbox says where they are no JSON. */
export const parseBatchLine = (line: Line): ParsedLine => {
  if ("fault" in line) return refused(`the line ${line.fault}`);
  try {
    return callOf(line.text);
  } catch (error) {
    return refused(`the line is no object of the form {"args": …, "keys": […]}: ${(error as Error).message}`);
  }
};

export const replyLine = (reply: Reply, wishes: LineWishes): string => {
  const outcome = reply.ok
    ? `"result":${reply.resultJson}`
    : `"error":${errorJson(reply.error.code, reply.error.message, reply.error.stack, refusalIn(reply.error))}`;
  const { side, reason, version, id: invocation, elapsedUs, usage } = reply;
  const facts = wishes.usage ? `,${inner({ side, reason, version, invocation, elapsedUs, usage })}` : "";
  const trace = wishes.trace ? `,${inner({ trace: traceOf(reply) })}` : "";
  const logs = wishes.logs ? `,${inner({ logs: reply.logs })}` : "";
  return `{${outcome}${facts}${trace}${logs}}\n`;
};

export const errorLine = (code: ErrorCode, message: string): string => `{"error":${errorJson(code, message, "")}}\n`;

/** Throws a SyntaxError where it is no object. */
const callOf = (text: string): ParsedLine => {
  let argsJson = "null";
  let keys: readonly string[] | null = NO_KEYS;
  for (const { name, json, levels } of membersOf(text)) {
    if (name === "args") argsJson = json;
    else if (name === "keys") keys = levels === 1 ? stringsIn(json) : null;
    else return refused(`the line has a member "${name.slice(0, NAME_LENGTH_SHOWN)}"; args and keys are known`);
  }
  return keys === null ? refused("the line's keys are no array of strings") : { ok: true, argsJson, keys };
};

/** null: it is no array of strings. Throws a SyntaxError where it is no JSON. */
const stringsIn = (json: string): readonly string[] | null => {
  const value = JSON.parse(json) as unknown;
  return Array.isArray(value) && value.every((one) => typeof one === "string") ? value : null;
};

const refused = (message: string): ParsedLine => ({ ok: false, message });

const errorJson = (code: ErrorCode, message: string, stack: string, refusal?: Refusal): string =>
  JSON.stringify({ code, message, retry: ERRORS[code].retry, ...(stack === "" ? {} : { stack }), ...refusal });

/** An object's members without its braces. */
const inner = (members: object): string => JSON.stringify(members).slice(1, -1);
