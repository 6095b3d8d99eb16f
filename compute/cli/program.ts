// What is common to the three programs: how one begins, and how it ends. Its error goes to stderr for people, and with
// --json to stdout, where the result would have been.

import { Command, CommanderError } from "commander";

import { EXIT, EXIT_CODES, exitCodeOf } from "./exit-code.ts";
import { failureOf, failureText } from "./failure.ts";
import { printJson, printNote } from "./output.ts";

/** Commands that are added to it end as it does: they take this over when they are made. */
export const newProgram = (name: string): Command =>
  new Command(name)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput(asksForJson() ? { outputError: () => {} } : {})
    .addHelpText("after", EXIT_CODES);

/** Runs the program to its end and sets the process's exit code. */
export const runProgram = async (program: Command): Promise<void> => {
  // A reader that has enough (`| head`) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failed);
  });
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    const exitCode = exitCodeOf(error);
    if (exitCode !== EXIT.ok) tell(error);
    process.exit(exitCode);
  }
};

const tell = (error: unknown): void => {
  if (asksForJson()) printJson({ error: failureOf(error) });
  // commander has written its own.
  else if (!(error instanceof CommanderError)) printNote(failureText(failureOf(error)));
};

/** Before the command line is understood, since that may be what fails. What stands after `--` are no options. */
const asksForJson = (): boolean => {
  const argv = process.argv.slice(2);
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--json");
};
