// The best fixed keep-alive in hindsight: what one would have had who knew the load. Some are tried, and then what lies between the best of them and
// its neighbours, by halves: where the score has one summit there, of two hours at most, the result is within a few percent of it.

/** Seconds that are tried first. */
export const TRIED_SECONDS = [0, 0.2, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1_200, 3_600, Infinity];
/** Times that what lies on either side of the best is tried: neighbours that are five times as much are 2.5 % apart then. */
const HALVINGS = 6;
const MS = 1_000;

interface Tried<Result> {
  readonly seconds: number;
  readonly result: Result;
  readonly gain: number;
}

/** `gainOf` more is better; of those as good the shortest. At most 14 + 2 × 6 are tried; whole milliseconds, beside 0 and `Infinity`. */
export function bestInHindsight<Result>(
  tried: (seconds: number) => Result,
  gainOf: (result: Result) => number,
): Result {
  const tryOut = (seconds: number): Tried<Result> => {
    const result = tried(seconds);
    return { seconds, result, gain: gainOf(result) };
  };
  let around = TRIED_SECONDS.map(tryOut);
  for (let halving = 0; halving < HALVINGS; halving++) {
    const at = around.indexOf(bestOf(around));
    const [below, best, above] = [around[at - 1], around[at]!, around[at + 1]];
    around = [below, halfway(below, best, tryOut), best, halfway(best, above, tryOut), above].filter(
      (one) => one !== undefined,
    );
  }
  return bestOf(around).result;
}

const bestOf = <Result>(all: readonly Tried<Result>[]): Tried<Result> =>
  all.reduce((best, one) => (one.gain > best.gain ? one : best));

/** undefined: on that side is nothing, or nothing between. */
function halfway<Result>(
  below: Tried<Result> | undefined,
  above: Tried<Result> | undefined,
  tryOut: (seconds: number) => Tried<Result>,
): Tried<Result> | undefined {
  if (below === undefined || above === undefined) return undefined;
  const seconds = Math.round(middleOf(below.seconds, above.seconds) * MS) / MS;
  return seconds > below.seconds && seconds < above.seconds ? tryOut(seconds) : undefined;
}

/** By their quotient; from none up and to no end by a factor of two. */
function middleOf(below: number, above: number): number {
  if (above === Infinity) return below * 2;
  return below === 0 ? above / 2 : Math.sqrt(below * above);
}
