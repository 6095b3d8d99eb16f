// Figures as people read them, in one way wherever locus prints some.

/** From where on each unit is taken, what it is, and its name. Two digits of the next smaller one would say less. */
const DURATION_UNITS = [
  [999.5, 1e3, "ms"],
  [999.5e3, 1e6, "s"],
  [99.95e6, 60e6, "min"],
  [99.95 * 60e6, 3_600e6, "h"],
  [99.95 * 3_600e6, 86_400e6, "d"],
] as const;

/** Three digits, in the unit that fits. */
export const durationText = (us: number): string => {
  const unit = DURATION_UNITS.findLast(([from]) => us >= from);
  if (unit === undefined) return `${Math.round(us)} µs`;
  const [, unitUs, name] = unit;
  const value = us / unitUs;
  return `${value < 999.5 ? value.toPrecision(3) : Math.round(value)} ${name}`;
};

/** Of durations that are read together: the same unit for all. Three digits, and none beyond the µs. */
export const millisecondsText = (us: number): string => `${us < 100 ? Math.round(us) / 1e3 : decimalText(us / 1e3)} ms`;

/** Three digits that count, and no more than the whole number from a thousand on. */
export const decimalText = (value: number): string =>
  value >= 1_000 || Number.isInteger(value) ? String(Math.round(value)) : String(Number(value.toPrecision(3)));

/** The same with the digits of a large one in groups. */
export const groupedText = (value: number): string =>
  value.toLocaleString("en", value < 1_000 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });

export const percentText = (part: number): string => `${amountText(part * 100)} %`;

/** Of small ones the tenths count as well. */
export const amountText = (value: number): string =>
  value < 10 ? String(Math.round(value * 10) / 10) : Math.round(value).toLocaleString("en");
