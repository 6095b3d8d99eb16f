// A value held between two bounds.

/** `low` must not be above `high`. */
export const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
