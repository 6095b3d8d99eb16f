// What an option's text must be, said as in `--nodes is "0", must be …`.

import { readFileSync } from "node:fs";

import { InvalidArgumentError, Option } from "commander";

import { withoutByteOrderMark } from "../byte-order-mark.ts";

export const wholeNumber =
  (max: number, min = 1) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`);
  };

/** `said`: what it must be, by its range in words; bounds are included. */
export const numberWithin =
  ({ min, max }: Readonly<{ min: number; max: number }>, said = (range: string): string => `a number ${range}`) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`must be ${said(`from ${min} to ${max}`)}`);
  };

/** With its range in the help, as the others here. Without `otherwise` it has no value where it is not given. */
export const numberOption = (flags: string, meaning: string, max: number, otherwise?: number): Option =>
  rangeOption(flags, meaning, [1, max]).default(otherwise);

export const rangeOption = (flags: string, meaning: string, [min, max]: readonly [number, number]): Option =>
  new Option(flags, `${meaning}; ${min} to ${max}`).argParser(wholeNumber(max, min));

export const sideOption = (): Option =>
  new Option("--side <side>", "where to run (default: as the node decides)").choices(["compute", "storage"]);

const STDIN = 0;

/** JSON itself, or where it is: `@path` for a file, `-` for stdin. No JSON begins so. */
export const jsonValueOrPlace = (text: string): unknown => {
  if (text !== "-" && !text.startsWith("@")) return jsonValue(text);
  let found: string;
  try {
    found = readFileSync(text === "-" ? STDIN : text.slice(1), "utf8");
  } catch (error) {
    throw new InvalidArgumentError(`must be a file that can be read: ${(error as Error).message}`);
  }
  return jsonValue(found);
};

export const jsonValue = (text: string): unknown => {
  try {
    return JSON.parse(withoutByteOrderMark(text));
  } catch (error) {
    throw new InvalidArgumentError(`must be JSON: ${(error as Error).message}`);
  }
};
