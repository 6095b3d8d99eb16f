// The oracle: the fixed shares under which most is done, found by trying. First all of them on one side or the other, then one
// function after the other on a grid, then on a finer one, in two rounds each: cores may be slow for a second. Since the best of many tries was lucky as well, the best few are tried again, and with them, as often, all
// that put each function on one side: one of these is the best where shares in between bring nothing, and none is left out for its first tries.

/** By function, at storage. */
export type Shares = Readonly<Record<string, number>>;

/** Calls per second under them. */
type Measure = (shares: Shares) => Promise<number>;

const COARSE = [0.25, 0.5, 0.75];
const FINE = 0.125;
/**
 * By the better of so many tries it is decided who is tried again: what disturbs one makes it worse. Chosen: after single ones the best fixed shares of two mixes in six did 0.8 of what locus did at others.
 */
const TRIES_AT_FIRST = 2;
const FINALISTS = 3;
/** Of each finalist, its first tries included: two that were disturbed leave the middle one as it is. */
const TRIES = 5;

export async function bestShares(functions: readonly string[], measure: Measure): Promise<Shares> {
  const tried = new Map<string, { readonly shares: Shares; readonly rates: number[] }>();
  /** In rounds: what disturbs for a while disturbs all of them. */
  const attempt = async (all: readonly Shares[], fromTry: number, toTry: number): Promise<void> => {
    for (let tries = fromTry; tries <= toTry; tries++) {
      for (const shares of all) {
        const { rates } = tried.getOrInsertComputed(JSON.stringify(shares), () => ({ shares, rates: [] }));
        if (rates.length < tries) rates.push(await measure(shares));
      }
    }
  };
  const ranked = (figureOf: (rates: readonly number[]) => number) =>
    [...tried.values()].toSorted((a, b) => figureOf(b.rates) - figureOf(a.rates));
  const bestOf = (rates: readonly number[]): number => Math.max(...rates);

  const corners = Array.from({ length: 2 ** functions.length }, (_, corner) =>
    Object.fromEntries(functions.map((name, index) => [name, (corner >> index) & 1])),
  );
  await attempt(corners, 1, TRIES_AT_FIRST);
  for (const grid of [() => COARSE, (share: number) => [share - FINE, share + FINE]]) {
    for (const name of functions) {
      const { shares } = ranked(bestOf)[0]!;
      const line = grid(shares[name]!).filter((share) => share >= 0 && share <= 1);
      await attempt(
        line.map((share) => ({ ...shares, [name]: share })),
        1,
        TRIES_AT_FIRST,
      );
    }
  }
  const cornerKeys = new Set(corners.map((corner) => JSON.stringify(corner)));
  const finalists = ranked(bestOf).filter(
    ({ shares }, rank) => rank < FINALISTS || cornerKeys.has(JSON.stringify(shares)),
  );
  await attempt(
    finalists.map(({ shares }) => shares),
    TRIES_AT_FIRST + 1,
    TRIES,
  );
  return ranked(middleOf).find(({ rates }) => rates.length === TRIES)!.shares;
}

const middleOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
