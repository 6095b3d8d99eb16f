// A total divided among those who want parts of it, in whole steps: max-min fair, so that whoever wants less than an equal part has all that it
// wants, and what it leaves is divided among the others (Bertsekas and Gallager, "Data Networks", 1992, 6.5.2).

export interface Want {
  /** Granted whatever the others want. */
  readonly floor: number;
  /** At least the floor. */
  readonly wanted: number;
}

/** In steps, in the order of `wants`. The floors must fit in the total, which the sum never passes. */
export function split(wants: readonly Want[], total: number): readonly number[] {
  const at = (level: number): readonly number[] =>
    wants.map(({ floor, wanted }) => Math.max(floor, Math.min(level, wanted)));
  const sumAt = (level: number): number => at(level).reduce((sum, steps) => sum + steps, 0);
  const most = wants.reduce((greatest, { wanted }) => Math.max(greatest, wanted), 0);
  if (sumAt(most) <= total) return at(most);
  // The highest level that fits: at 0 only the floors are granted.
  let [fits, passes] = [0, most];
  while (passes - fits > 1) {
    const middle = Math.floor((fits + passes) / 2);
    if (sumAt(middle) <= total) fits = middle;
    else passes = middle;
  }
  const granted = [...at(fits)];
  // What is left is less than a step for each of those who would take one.
  let left = total - sumAt(fits);
  for (let index = 0; index < granted.length && left > 0; index++) {
    const { floor, wanted } = wants[index]!;
    if (wanted <= fits || floor > fits) continue;
    granted[index]! += 1;
    left--;
  }
  return granted;
}
