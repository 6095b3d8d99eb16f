// What a command line tool says of an error: code, message and what to do, as text or as JSON.

import { CommanderError } from "commander";

import { ERRORS, LocusError, type ErrorCode } from "#runtime/errors.ts";
import { interruptedBy } from "./interruption.ts";
import { onItsLines } from "./output.ts";

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

export const failureOf = (error: unknown): Failure => {
  const { code, message, remedy, guestStack = "" } = told(error);
  return { code, message, retry: ERRORS[code].retry, remedy, ...(guestStack === "" ? {} : { stack: guestStack }) };
};

const told = (error: unknown): LocusError => {
  const interrupted = interruptedBy();
  const isOurs = error instanceof LocusError;
  // Whatever broke because of it: only who says how far it came knows better.
  if (interrupted !== null && !(isOurs && error.code === "CANCELLED")) return interrupted;
  if (isOurs) return error;
  // All other mistakes in a command line are ours (misuse.ts): here the help was shown instead.
  if (error instanceof CommanderError) {
    return new LocusError("CONFIG_INVALID", "no command is given", { remedy: "`--help` lists the commands." });
  }
  if (error instanceof Error) return new LocusError("INTERNAL", error.message, { guestStack: error.stack });
  return new LocusError("INTERNAL", String(error));
};

/** A stack begins with the message, perhaps in other words, so its first lines are left out. Causes stay: they have a label. */
export const failureText = ({ code, message, remedy, stack = "" }: Failure): string => {
  const frames = stack.split("\n").filter((line) => /^ +(at |\[(cause|errors)\] )/.test(line));
  return onItsLines([`${code}: ${message}`, ...frames, remedy].join("\n"));
};
