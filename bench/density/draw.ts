// Which of the deployed functions is called next. Functions are numbered from 0.

export type Order = "once" | "uniform" | "zipf";

/** The next function's number; null after the last one. */
type Draw = () => number | null;

export const functionName = (number: number): string => `get-${number}`;

/** `random` as of `seededRandom`. */
export const drawOf = (order: Order, functions: number, random: () => number): Draw => DRAWS[order](functions, random);

const DRAWS: Readonly<Record<Order, (functions: number, random: () => number) => Draw>> = {
  once: inOrder,
  uniform: (functions, random) => () => Math.floor(random() * functions),
  zipf,
};

/** Gives each number once; the others never end. */
function inOrder(functions: number): Draw {
  let next = 0;
  return () => (next < functions ? next++ : null);
}

/** Zipf's law with exponent 1: number n is drawn with a probability in proportion to 1 / (n + 1). */
function zipf(functions: number, random: () => number): Draw {
  const sums = new Float64Array(functions);
  let sum = 0;
  for (let number = 0; number < functions; number++) sums[number] = sum += 1 / (number + 1);
  return () => firstAbove(sums, random() * sum);
}

/** The index of the first of these ascending values that is greater than `limit`; the last one if none is. */
function firstAbove(values: Float64Array, limit: number): number {
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}
