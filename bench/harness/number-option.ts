// A number on a command line, of a benchmark or the soak.

/** Throws TypeError with the option, what was given, and what it must be. */
export function numberOf(
  name: string,
  text: string,
  { min, max, whole = false }: { readonly min: number; readonly max: number; readonly whole?: boolean },
): number {
  const number = Number(text);
  if (text.trim() === "" || !(number >= min && number <= max) || (whole && !Number.isInteger(number))) {
    throw new TypeError(`--${name} is "${text}", must be a ${whole ? "whole " : ""}number from ${min} to ${max}`);
  }
  return number;
}
