/** Sums of fractions are not exact: what passes a bound by no more does not pass it. */
export const ROUNDING = 1e-9;
