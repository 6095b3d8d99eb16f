// The oracle: the fixed shares under which most is done, found by trying. First all of them on one side or the other, then one
// function after the other on a grid, then on a finer one, each of them twice; and since the best of many tries was lucky as well, the best few again, and with them, as often, all
// that put each function on one side: one of these is the best where shares in between bring nothing, and none is to be left out since its tries were unlucky.

/** By function, at storage. */
export type Shares = Readonly<Record<string, number>>;

/** Calls per second under them. */
type Measure = (shares: Shares) => Promise<number>;

const COARSE = [0.25, 0.5, 0.75];
const FINE = 0.125;
/**
 * By the better of so many tries it is decided who is tried again: what disturbs one makes it worse. Chosen: after single ones the best fixed shares of two mixes in six did 0.8 of what locus did at others of the same grid.
 */
const TRIES_AT_FIRST = 2;
const FINALISTS = 3;
/** Of each finalist, its first tries included. */
const TRIES = 4;

export async function bestShares(functions: readonly string[], measure: Measure): Promise<Shares> {
  const tried = new Map<string, { readonly shares: Shares; readonly rates: number[] }>();
  const attempt = async (shares: Shares, tries: number): Promise<void> => {
    const { rates } = tried.getOrInsertComputed(JSON.stringify(shares), () => ({ shares, rates: [] }));
    while (rates.length < tries) rates.push(await measure(shares));
  };
  const ranked = (figureOf: (rates: readonly number[]) => number) =>
    [...tried.values()].toSorted((a, b) => figureOf(b.rates) - figureOf(a.rates));
  const bestOf = (rates: readonly number[]): number => Math.max(...rates);

  const corners = Array.from({ length: 2 ** functions.length }, (_, corner) =>
    Object.fromEntries(functions.map((name, index) => [name, (corner >> index) & 1])),
  );
  for (const corner of corners) await attempt(corner, TRIES_AT_FIRST);
  for (const grid of [() => COARSE, (share: number) => [share - FINE, share + FINE]]) {
    for (const name of functions) {
      const { shares } = ranked(bestOf)[0]!;
      for (const share of grid(shares[name]!))
        if (share >= 0 && share <= 1) await attempt({ ...shares, [name]: share }, TRIES_AT_FIRST);
    }
  }
  const cornerKeys = new Set(corners.map((corner) => JSON.stringify(corner)));
  const finalists = ranked(bestOf).filter(
    ({ shares }, rank) => rank < FINALISTS || cornerKeys.has(JSON.stringify(shares)),
  );
  // Of all in turn: what disturbs for a while disturbs each of them.
  for (let tries = TRIES_AT_FIRST + 1; tries <= TRIES; tries++)
    for (const { shares } of finalists) await attempt(shares, tries);
  return ranked(middleOf).find(({ rates }) => rates.length === TRIES)!.shares;
}

/** Of an even number the lower one. */
const middleOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
