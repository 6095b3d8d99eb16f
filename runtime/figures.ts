// Figures as people read them, in one way wherever locus prints some.

/** Three digits, in the unit that fits. */
export const durationText = (us: number): string =>
  us < 1e3 ? `${Math.round(us)} µs` : us < 1e6 ? `${(us / 1e3).toPrecision(3)} ms` : `${(us / 1e6).toPrecision(3)} s`;

export const percentText = (part: number): string => `${Math.round(part * 100)} %`;

/** Of small ones the tenths count as well. */
export const amountText = (value: number): string =>
  value < 10 ? String(Math.round(value * 10) / 10) : Math.round(value).toLocaleString("en");
