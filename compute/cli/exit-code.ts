// How a command line tool ends (docs/cli.md).

import { constants } from "node:os";

import { CommanderError } from "commander";

import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import { interruptedBy } from "./interruption.ts";

export const EXIT = {
  ok: 0,
  /** What was asked for failed, or a part of it. */
  failed: 1,
  /** The command line or a setting is wrong. */
  usage: 2,
  /** The node or Redis cannot be reached. */
  unreachable: 3,
  /** Ctrl-C. */
  interrupted: 128 + constants.signals.SIGINT,
} as const;

/** The end of every program's help. */
export const EXIT_CODES = `
Exit codes:
  ${EXIT.ok}    done
  ${EXIT.failed}    what was asked for failed, or a part of it
  ${EXIT.usage}    the command line or a setting is wrong
  ${EXIT.unreachable}    the node, or Redis, cannot be reached
  ${EXIT.interrupted}  interrupted (Ctrl-C)`;

const UNREACHABLE: readonly ErrorCode[] = ["NODE_UNAVAILABLE", "REDIS_UNAVAILABLE"];

export const exitCodeOf = (error: unknown): number => {
  const interrupted = interruptedBy();
  if (interrupted !== null) return interrupted.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  return error instanceof LocusError ? exitCodeOfCode(error.code) : EXIT.failed;
};

/** Where several things failed, each with one of these codes: what they have in common. */
export const exitCodeOfCodes = (codes: readonly ErrorCode[]): number => {
  const [first = EXIT.ok, ...others] = new Set(codes.map(exitCodeOfCode));
  return others.length > 0 ? EXIT.failed : first;
};

const exitCodeOfCode = (code: ErrorCode): number => {
  if (code === "CONFIG_INVALID") return EXIT.usage;
  return UNREACHABLE.includes(code) ? EXIT.unreachable : EXIT.failed;
};
