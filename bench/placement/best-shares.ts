// The oracle: the fixed shares under which most is done, found by trying. First all of them on one side or the other, then one
// function after the other on a grid, then on a finer one; and since the best of many tries was lucky as well, the best few again, and with them, as often, all
// that put each function on one side: one of these is the best where shares in between bring nothing, and none is to be left out since its only try was unlucky.

/** By function, at storage. */
export type Shares = Readonly<Record<string, number>>;

/** Calls per second under them. */
type Measure = (shares: Shares) => Promise<number>;

const COARSE = [0.25, 0.5, 0.75];
const FINE = 0.125;
const FINALISTS = 3;
/** Of each finalist, its first try included. */
const TRIES = 3;

export async function bestShares(functions: readonly string[], measure: Measure): Promise<Shares> {
  const tried = new Map<string, { readonly shares: Shares; readonly rates: number[] }>();
  const attempt = async (shares: Shares): Promise<void> => {
    const one = tried.getOrInsertComputed(JSON.stringify(shares), () => ({ shares, rates: [] }));
    one.rates.push(await measure(shares));
  };
  const ranked = () => [...tried.values()].toSorted((a, b) => middleOf(b.rates) - middleOf(a.rates));
  const attemptNew = async (shares: Shares): Promise<void> => {
    if (!tried.has(JSON.stringify(shares))) await attempt(shares);
  };

  const corners = Array.from({ length: 2 ** functions.length }, (_, corner) =>
    Object.fromEntries(functions.map((name, index) => [name, (corner >> index) & 1])),
  );
  for (const corner of corners) await attempt(corner);
  for (const grid of [() => COARSE, (share: number) => [share - FINE, share + FINE]]) {
    for (const name of functions) {
      const { shares } = ranked()[0]!;
      for (const share of grid(shares[name]!))
        if (share >= 0 && share <= 1) await attemptNew({ ...shares, [name]: share });
    }
  }
  const cornerKeys = new Set(corners.map((corner) => JSON.stringify(corner)));
  const finalists = ranked().filter(({ shares }, rank) => rank < FINALISTS || cornerKeys.has(JSON.stringify(shares)));
  for (let again = 1; again < TRIES; again++) for (const { shares } of finalists) await attempt(shares);
  return ranked().find((one) => one.rates.length === TRIES)!.shares;
}

/** Of an even number the lower one. */
const middleOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
