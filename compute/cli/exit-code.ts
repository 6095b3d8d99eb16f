// How a command line tool ends: with one of these codes (docs/cli.md), its errors on stderr, and quietly at Ctrl-C.

import { constants } from "node:os";

import { CommanderError, type Command } from "commander";

import { ERRORS, LocusError } from "#runtime/errors.ts";
import { NodeUnreachable } from "./node-client.ts";

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

/** Runs the program to its end and sets the process's exit code. */
export const runProgram = async (program: Command, commandLine: readonly string[]): Promise<void> => {
  // A reader that has enough (`| head`) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failed);
  });
  try {
    await program.exitOverride().parseAsync(commandLine);
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    const text = messageOf(error);
    if (text !== null) process.stderr.write(`${text}\n`);
  }
};

const exitCodeOf = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof NodeUnreachable) return EXIT.unreachable;
  if (!(error instanceof LocusError)) return EXIT.failed;
  if (error.code === "CONFIG_INVALID") return EXIT.usage;
  return error.code === "REDIS_UNAVAILABLE" ? EXIT.unreachable : EXIT.failed;
};

/** null where it has been said already: commander writes its own. */
const messageOf = (error: unknown): string | null => {
  if (error instanceof CommanderError) return null;
  if (error instanceof LocusError) {
    const stack = error.guestStack === undefined ? "" : `\n${error.guestStack}`;
    return `${error.code}: ${error.message}${stack}\n${ERRORS[error.code].remedy}`;
  }
  return error instanceof NodeUnreachable ? error.message : String(error instanceof Error ? error.stack : error);
};

/** A signal that Ctrl-C aborts; a second Ctrl-C ends the process at once. */
export const interruptSignal = (): AbortSignal => {
  const controller = new AbortController();
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  });
  return controller.signal;
};
