// A command line that cannot be understood: what commander says of it, in our words and on one line, and what would do.

import type { Command } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { didYouMean } from "#runtime/similar-names.ts";

/** Characters of a value that a message shows. */
const VALUE_LENGTH_MAX = 80;

/** What commander says of a value, before what the check of the value said (option.ts). */
const WRONG_VALUE =
  /^(?:command-argument value '(?<value>.*)' is invalid for argument '(?<argument>.*?)'|option '(?<option>\S+).*?' argument '(?<value>.*)' is invalid)\. (?<must>.*)$/s;

/** What it ends with where something is called alike. */
const SUGGESTION = /\s*\n\(Did you mean (?:one of )?(?<names>.*)\?\)$/;

/** CONFIG_INVALID. The mistake was made in `command`; `code` and `text` are commander's. */
export const misuse = (command: Command, code: string, text: string): LocusError => {
  const said = text.replace(/^error: /, "").replace(/\.$/, "");
  const wrongValue = WRONG_VALUE.exec(said)?.groups;
  const similar = SUGGESTION.exec(said)?.groups?.["names"]?.split(", ") ?? [];
  const message = wrongValue === undefined ? said.replace(SUGGESTION, "") : wrongValueText(wrongValue);
  return new LocusError("CONFIG_INVALID", message, { remedy: remedyOf(command, code, similar) });
};

const wrongValueText = ({ argument, option, value = "", must = "" }: Readonly<Record<string, string>>): string => {
  const shown = value.length > VALUE_LENGTH_MAX ? `${value.slice(0, VALUE_LENGTH_MAX)}…` : value;
  return `${option ?? `<${argument}>`} is "${shown}", ${must.replace("Allowed choices are", "must be one of")}`;
};

const remedyOf = (command: Command, code: string, similar: readonly string[]): string => {
  const help = `\`${wordsOf(command)} --help\``;
  switch (code) {
    case "commander.unknownCommand":
      return `${didYouMean(similar)}${help} lists the commands.`;
    case "commander.unknownOption":
      return `${didYouMean(similar)}${help} lists the options.`;
    case "commander.missingArgument":
    case "commander.excessArguments":
      return `Usage: ${command.createHelp().commandUsage(command)}`;
    default:
      return `${help} says what each argument and option may be.`;
  }
};

/** As they are typed. */
export const wordsOf = (command: Command): string =>
  command.parent === null ? command.name() : `${wordsOf(command.parent)} ${command.name()}`;
