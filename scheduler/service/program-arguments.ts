// What stands behind a program's name when one of the scheduler's programs is started: nothing, or `--help`; of the simulator also the names of data sets.
// Whatever they are told else they read from the environment (settings.ts).

import { writeSync } from "node:fs";
import { basename } from "node:path";
import type { SettingTable } from "#runtime/setting.ts";
import { GRPC_SETTINGS } from "./settings.ts";

const STDOUT = 1;
const STDERR = 2;
/** A wrong command line, as the command line tools' (docs/cli.md). */
const MISUSE = 2;

export interface ProgramDescription {
  /** In a sentence: what it serves, and whom it asks. */
  readonly does: string;
  readonly settings: SettingTable;
  /** What its arguments are; without it, it takes none. */
  readonly takes?: string;
}

/** The arguments. Where help is asked for, or there is one that the program does not take, it says so and ends the process. */
export function programArguments(
  description: ProgramDescription,
  [, program = "", ...words]: readonly string[] = process.argv,
): readonly string[] {
  const help = helpText(basename(program), description);
  if (words.includes("--help") || words.includes("-h")) return end(STDOUT, help, 0);
  const unfit = words.find((word) => description.takes === undefined || word.startsWith("-"));
  if (unfit === undefined) return words;
  return end(STDERR, `${help}\n${basename(program)} has no use for "${unfit}".\n`, MISUSE);
}

const end = (descriptor: number, text: string, status: number): never => {
  writeSync(descriptor, text);
  process.exit(status);
};

const helpText = (program: string, { does, settings, takes }: ProgramDescription): string => {
  const variables = [...Object.values(settings), ...Object.values(GRPC_SETTINGS)];
  const width = Math.max(...variables.map(({ variable }) => variable.length));
  return [
    `usage: node scheduler/${program}${takes === undefined ? "" : ` ${takes}`}`,
    does,
    "It runs until SIGTERM or Ctrl-C. Settings are environment variables, with their defaults:",
    ...variables.map(({ variable, fallback }) => `  ${variable.padEnd(width)}  ${fallback.replaceAll("`", "")}`),
    "docs/grpc.md says what each of them means.",
    "",
  ].join("\n");
};
