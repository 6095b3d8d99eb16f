// What a command line tool says of an error: code, message and remedy of the closed table, as text or as JSON.

import { CommanderError } from "commander";

import { ERRORS, LocusError, type ErrorCode } from "#runtime/errors.ts";
import { interruptedBy } from "./interruption.ts";

/** The `error` of a line of JSON (docs/cli.md); a batch's lines have the same, without `remedy`. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  /** Whether the same may succeed later without any change. */
  readonly retry: boolean;
  readonly remedy: string;
  /** The author's files and lines, where a function threw; ours, where the defect is ours. */
  readonly stack?: string;
}

export const failure = (code: ErrorCode, message: string, stack = ""): Failure => {
  const { retry, remedy } = ERRORS[code];
  return { code, message, retry, remedy, ...(stack === "" ? {} : { stack }) };
};

export const failureOf = (error: unknown): Failure => {
  const interrupted = interruptedBy();
  // Whatever broke because of it: only who says how far it came knows better.
  if (interrupted !== null && !(error instanceof LocusError && error.code === "CANCELLED")) {
    return failure(interrupted.code, interrupted.message);
  }
  if (error instanceof LocusError) return failure(error.code, error.message, error.guestStack);
  if (error instanceof CommanderError) return failure("CONFIG_INVALID", misuse(error));
  if (error instanceof Error) return failure("INTERNAL", error.message, error.stack);
  return failure("INTERNAL", String(error));
};

/** A stack begins with the message, perhaps in other words: it is not said twice. */
export const failureText = ({ code, message, remedy, stack = "" }: Failure): string => {
  const frames = stack.split("\n").filter((line) => /^ +at /.test(line));
  return [`${code}: ${message}`, ...frames, remedy].join("\n");
};

/** commander's message in our words, on one line; where it showed the help instead there is none. */
const misuse = ({ code, message }: CommanderError): string => {
  if (code === "commander.help") return "no command is given; --help lists them";
  const text = message.replace(/^error: /, "").replace(/\.$/, "");
  const wrongValue = WRONG_VALUE.exec(text)?.groups;
  if (wrongValue !== undefined) {
    const { argument, option, value = "", must = "" } = wrongValue;
    const shown = value.length > VALUE_LENGTH_MAX ? `${value.slice(0, VALUE_LENGTH_MAX)}…` : value;
    return `${option ?? `<${argument}>`} is "${shown}", ${must.replace("Allowed choices are", "must be one of")}`;
  }
  return `${text.replace(/\s*\n\(Did you mean (.*)\?\)/, "; did you mean $1?")} (--help says what there is)`;
};

/** Characters of a value that a message shows. */
const VALUE_LENGTH_MAX = 80;

/** What commander says of a value, before what the check of the value said (option.ts). */
const WRONG_VALUE =
  /^(?:command-argument value '(?<value>.*)' is invalid for argument '(?<argument>.*?)'|option '(?<option>\S+).*?' argument '(?<value>.*)' is invalid)\. (?<must>.*)$/s;
