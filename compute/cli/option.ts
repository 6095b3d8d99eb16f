// What an option's text must be, said as in `--nodes is "0", must be …`.

import { InvalidArgumentError, Option } from "commander";

export const wholeNumber =
  (max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
    throw new InvalidArgumentError(`must be a whole number from 1 to ${max}`);
  };

export const numberOption = (flags: string, meaning: string, max: number, otherwise: number): Option =>
  new Option(flags, meaning).argParser(wholeNumber(max)).default(otherwise);

export const sideOption = (): Option =>
  new Option("--side <side>", "where to run (default: as the node decides)").choices(["compute", "storage"]);

export const jsonValue = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`must be JSON: ${(error as Error).message}`);
  }
};
