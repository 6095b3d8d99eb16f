// What several repetitions of one measurement come to: the median, which one disturbed repetition does not move, and the
// spread, which shows how much they disagreed.

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) throw new RangeError("no values have no spread");
  return { median: medianOfSorted(sorted), min, max };
}

export const medianOf = (values: readonly number[]): number => spreadOf(values).median;

/** Of each so many that follow each other their median; of what is left over none. */
export const mediansOf = (values: readonly number[], together: number): readonly number[] =>
  Array.from({ length: Math.floor(values.length / together) }, (_, group) =>
    medianOf(values.slice(group * together, (group + 1) * together)),
  );

/** Of the median of some normal values their standard error is as much of that of their mean (√(π/2)). */
const MEDIAN_PER_MEAN_ERROR = 1.2533;

/** How far the median of at least two values may be off: its standard error, as of many normal ones; of two that is a quarter too much, of three a twelfth. */
export function medianErrorOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return MEDIAN_PER_MEAN_ERROR * Math.sqrt(squares / (values.length - 1) / values.length);
}

/** Two-sided, of a normal distribution: 95 %. */
const NORMAL = 1.96;

/**
 * Whether they may be noise around this median: it is within their error of 95 % by Student's t, whose quantiles are known to a hundredth (Abramowitz and Stegun, table 26.10 for up to three degrees
 * of freedom, 26.7.5 for more). Of fewer than two nobody knows. `together`: so many that follow each other are alike, and say once by their median how far it may be off; where these agree by luck the
 * values themselves still say it.
 */
export const mayComeTo = (values: readonly number[], median: number, together = 1): boolean =>
  isWithinError(values, median) || (together > 1 && isWithinError(mediansOf(values, together), median));

const isWithinError = (values: readonly number[], median: number): boolean =>
  values.length < 2 || Math.abs(medianOf(values) - median) < studentT(values.length - 1) * medianErrorOf(values);

const STUDENT_T_FEW: readonly number[] = [Infinity, 12.706, 4.303, 3.182];

function studentT(freedom: number): number {
  const few = STUDENT_T_FEW[freedom];
  if (few !== undefined) return few;
  const [z, z3, z5, z7] = [1, 3, 5, 7].map((power) => NORMAL ** power) as [number, number, number, number];
  return (
    z +
    (z3 + z) / (4 * freedom) +
    (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom ** 3)
  );
}

/** The middle one; of an even number the mean of the two in the middle. */
function medianOfSorted(sorted: readonly number[]): number {
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
  return (lower + upper) / 2;
}
