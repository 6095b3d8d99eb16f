// What is common to the three programs: how one begins, and how it ends, with its errors on stderr.

import { Command, CommanderError } from "commander";

import { ERRORS, LocusError, type ErrorCode } from "#runtime/errors.ts";
import { EXIT, EXIT_CODES, exitCodeOf } from "./exit-code.ts";
import { NodeUnreachable } from "./node-client.ts";

/** Commands that are added to it end as it does: they take this over when they are made. */
export const newProgram = (name: string): Command => new Command(name).exitOverride().addHelpText("after", EXIT_CODES);

/** Runs the program to its end and sets the process's exit code. */
export const runProgram = async (program: Command): Promise<void> => {
  // A reader that has enough (`| head`) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failed);
  });
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    const text = messageOf(error);
    if (text !== null) process.stderr.write(`${text}\n`);
    process.exit(exitCodeOf(error));
  }
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

/** An error of the table for people. A stack begins with the message: it is not said twice. */
export const errorText = (code: ErrorCode, message: string, stack = ""): string => {
  const said = stack.includes(message) ? stack : [message, stack].join("\n").trimEnd();
  return `${code}: ${said}\n${ERRORS[code].remedy}`;
};

/** null where it has been said already: commander writes its own. */
const messageOf = (error: unknown): string | null => {
  if (error instanceof CommanderError) return null;
  if (error instanceof LocusError) return errorText(error.code, error.message, error.guestStack);
  if (error instanceof NodeUnreachable) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
};
