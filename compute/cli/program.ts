// What is common to the three programs: how one begins, and how it ends. Its error goes to stderr for people, and with
// --json to stdout, where the result would have been.

import { Command, CommanderError, type ErrorOptions, type Option } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { EXIT, EXIT_CODES, exitCodeOf } from "./exit-code.ts";
import { INSTALLATION } from "./installation.ts";
import { failureOf, failureText } from "./failure.ts";
import { misuse, wordsOf } from "./misuse.ts";
import { printJson, printNote } from "./output.ts";
import { didYouMean, similarNames } from "#runtime/similar-names.ts";

/** Mistakes are told like all other errors; commands below it are of the same kind. */
class ToolCommand extends Command {
  override createCommand(name?: string): ToolCommand {
    return new ToolCommand(name);
  }

  override error(message: string, { code = "" }: ErrorOptions = {}): never {
    throw misuse(this, code, message);
  }
}

/** Commands that are added to it end as it does: they take this over when they are made. */
export const newProgram = (name: string): Command =>
  new ToolCommand(name)
    .version(INSTALLATION.version, "-V, --version")
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions })
    .hook("preAction", (_program, command) => refuseUnheeded(command))
    .addHelpText("after", EXIT_CODES);

const unheeded = new WeakMap<Command, readonly string[]>();

/** The program's options that mean nothing to the command, or to commands below it: not in its help, and refused, but for `--json`. */
export const withoutOptions = (command: Command, ...names: readonly string[]): Command => {
  unheeded.set(command, names);
  return command;
};

/** The command and those that it is below, the program last. */
const lineOf = (command: Command): readonly Command[] => {
  const line: Command[] = [];
  for (let one: Command | null = command; one !== null; one = one.parent) line.push(one);
  return line;
};

/** What is asked for and not heeded would look as if it were. */
const refuseUnheeded = (command: Command): void => {
  const line = lineOf(command);
  for (const option of line.flatMap((one) => unheeded.get(one) ?? [])) {
    // Errors are told in JSON by every command.
    if (option === "json" || line.every((one) => one.getOptionValueSource(option) !== "cli")) continue;
    const remedy = `Leave --${option} out.`;
    throw new LocusError("CONFIG_INVALID", `${wordsOf(command)} takes no --${option}: it would have no effect`, {
      remedy,
    });
  }
};

/** `--version` is of a program alone. */
const visibleGlobalOptions = (command: Command): Option[] => {
  const line = lineOf(command);
  const leftOut = new Set(["version", ...line.flatMap((one) => unheeded.get(one) ?? [])]);
  return line
    .slice(1)
    .flatMap(({ options }) => options)
    .filter((option) => !option.hidden && !leftOut.has(option.name()));
};

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
  // Where no command was given, the help says enough.
  else if (!(error instanceof CommanderError && error.code === "commander.help"))
    printNote(failureText(failureOf(error)));
};

/** Before the command line is understood, since that may be what fails. What stands after `--` are no options. */
const asksForJson = (): boolean => {
  const argv = process.argv.slice(2);
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--json");
};

/** `what` names one of `commands`, and there is none of that name. */
export const nothingCalled = (what: string, name: string, commands: readonly Command[]): LocusError => {
  const names = commands.map((command) => command.name());
  const remedy = `${didYouMean(similarNames(name, names))}There are ${names.join(", ")}.`;
  return new LocusError("CONFIG_INVALID", `there is no ${what} "${name}"`, { remedy });
};

/** `help`, which commander's own would answer with the program's help for a command that there is not. */
export const addHelpCommand = (program: Command): void => {
  program.helpCommand(false);
  withoutOptions(program.command("help"), "url", "json")
    .description("display help for command")
    .argument("[command]", "the command (default: the program)")
    .action((name: string | undefined) => {
      if (name === undefined) return program.help();
      const asked = program.commands.find((command) => command.name() === name);
      if (asked !== undefined) return asked.help();
      throw nothingCalled("command", name, program.commands);
    });
};
