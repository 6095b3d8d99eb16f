// Counts and sums that were saved before a restart, as JSON that anybody may have written: what could not have been saved is refused. JSON has no
// NaN, but a number that is too large for it is read as Infinity, and a sum of such as NaN.

/** Milliseconds of ten thousand years of calls are less, and what is added to such a sum still tells. Chosen. */
const AMOUNT_MAX = 2 ** 49;
const TEXT_LENGTH_MAX = 40;

export const isAmount = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value <= AMOUNT_MAX;

/** Throws. */
export function amountIn(value: unknown): number {
  if (isAmount(value)) return value;
  throw new Error(`${String(value).slice(0, TEXT_LENGTH_MAX)} is no count, sum or mean`);
}

/** Throws, also where there are more. */
export function amountsIn(values: unknown, lengthMax: number): readonly number[] {
  if (!Array.isArray(values) || values.length > lengthMax) throw new Error(`not at most ${lengthMax} numbers`);
  return values.map(amountIn);
}
