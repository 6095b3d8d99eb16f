// What calls of one function have been like before, and where they did best then. Whoever flips between two kinds of calls would be looked
// into anew each time, and a trial of what no model knows takes longer than the calls of one kind may last: so what was found is
// kept with what the calls needed, and holds again as soon as such calls come back.

import type { Demand } from "./cost-model.ts";
import type { FunctionState } from "./function-state.ts";
import type { Refuted } from "./trials.ts";

/** While calls needed about as much. */
export interface Regime {
  readonly demand: Demand;
  readonly share: number;
  readonly proof: Proof | null;
  /** What was tried then, and was no good. */
  readonly refuted: Refuted;
}

/** That a share has shown to do better than another, in a trial or since a move had to be taken back: what a call took then. */
interface Proof {
  readonly share: number;
  readonly refutedShare: number;
  readonly promisedUs: number;
  /** Of such a call; without: calls are held against it whatever their work is. */
  readonly promisedBytes?: number;
  /** How many times as long all calls took at the other. Without: nobody knows. */
  readonly worseTimes?: number;
}

export interface Regimes {
  /** What calls need now, as it was known when they had just begun to; null: nothing is known yet. */
  readonly now: Demand | null;
  /** Since when, pauses aside. */
  readonly knownMs: number;
  /** Of now. */
  readonly proof: Proof | null;
  /** Since calls began to be what they are: those of `known` that they were taken for, the latest last. */
  readonly recalled: readonly Regime[];
  /** Those before, the latest first. */
  readonly known: readonly Regime[];
}

export const NO_REGIMES: Regimes = { now: null, knownMs: -Infinity, proof: null, recalled: [], known: [] };

const REGIMES_MAX = 4;
/** One, another where calls that were under way have told of the one before, and the one again. */
const RECALLS_MAX = 3;
/**
 * One that was over sooner has found nothing, unless a trial has shown it; and until then what its calls need is not known well: calls that were under way when others came
 * end among them.
 */
export const LASTED_MS = 500;
/**
 * A move so shortly before its end may be one for what came after it, unless a trial has shown it. What was before that has found nothing either where it was
 * over as soon: where calls begin, while they are compiled, nobody has decided it.
 */
const LATE_MS = 150;
/**
 * Demands are alike where no term is so many times another: the same calls take half as much CPU time again where both sides of a machine serve them.
 * Differences below these are none.
 */
const ALIKE = 2;
const NEGLIGIBLE: Demand = { operations: 0.5, rounds: 0.5, bytes: 64, cpuUs: 20 };
const TERMS = Object.keys(NEGLIGIBLE) as readonly (keyof Demand)[];

/** Of the terms the one that differs most: 1 and more. */
const differenceOf = (one: Demand, other: Demand): number =>
  Math.max(
    ...TERMS.map((term) => {
      const [a, b] = [one[term] + NEGLIGIBLE[term], other[term] + NEGLIGIBLE[term]];
      return Math.max(a / b, b / a);
    }),
  );

/** The one whose calls were most like these; null: none was. */
export function regimeLike({ known }: Regimes, demand: Demand): Regime | null {
  const [nearest] = known.toSorted((a, b) => differenceOf(a.demand, demand) - differenceOf(b.demand, demand));
  return nearest !== undefined && differenceOf(nearest.demand, demand) <= ALIKE ? nearest : null;
}

/**
 * One whose calls are like those of now, as far as these are known yet; null: none, or they are taken for them already, or have been taken for so many that they
 * are like none.
 */
export function regimeComeBack(regimes: Regimes, demand: Demand, forMs: number): Regime | null {
  const isDoubtful = regimes.recalled.length >= RECALLS_MAX;
  if (forMs >= LASTED_MS || regimes.known.length === 0 || isDoubtful) return null;
  const like = regimeLike(regimes, demand);
  return like === regimes.recalled.at(-1) ? null : like;
}

/** As calls come in. `proof`: of where they are; what it was before holds for as long as they stay. */
export function regimesNow(
  regimes: Regimes,
  {
    demand,
    share,
    proof,
    forMs,
    nowMs,
  }: Pick<Regime, "demand" | "share"> & {
    readonly proof: Omit<Proof, "share"> | null;
    readonly forMs: number;
    readonly nowMs: number;
  },
): Regimes {
  const isSettled = regimes.now !== null && forMs >= LASTED_MS;
  const { proof: shown } = regimes;
  const isShown = proof === null || (shown?.share === share && shown.promisedUs === proof.promisedUs);
  if (isSettled && isShown) return regimes;
  return {
    ...regimes,
    now: isSettled ? regimes.now : demand,
    knownMs: regimes.now === null ? nowMs : regimes.knownMs,
    proof: isShown ? shown : shownAt(share, proof),
  };
}

/** Without what else is kept with it. */
const shownAt = (
  share: number,
  { refutedShare, promisedUs, promisedBytes = 0, worseTimes }: Omit<Proof, "share">,
): Proof => ({
  share,
  refutedShare,
  promisedUs,
  promisedBytes,
  ...(worseTimes !== undefined && { worseTimes }),
});

type Ended = Pick<FunctionState, "share" | "state" | "moved" | "trials" | "regimes">;

/** Calls are not what they were: the latest regime is over, and kept if it lasted. */
export function regimesAfterShift(
  { share, state, moved, trials, regimes }: Ended,
  nowMs: number,
): { readonly regimes: Regimes; readonly isKept: boolean } {
  const { now: demand, knownMs, proof, known, recalled } = regimes;
  // Itself, and not along with others.
  const isShown = proof?.share === share && proof.refutedShare !== share;
  const isLate = moved !== null && state !== "reverting" && !isShown && nowMs - moved.atMs < LATE_MS;
  const stoodMs = (isLate ? moved.atMs : nowMs) - knownMs;
  const isShort = stoodMs < LASTED_MS && !isShown;
  // Taken for one and another of those before they are neither, and where that has left them says nothing of them, unless a trial has shown it since.
  const isOfBefore = proof === null || recalled.some((one) => one.proof?.promisedUs === proof.promisedUs);
  const isNeither = recalled.length >= RECALLS_MAX && moved?.by === "recall" && isOfBefore;
  if (demand === null || isShort || isNeither) return { regimes: { ...NO_REGIMES, known }, isKept: false };
  const stood = isLate ? moved.fromShare : share;
  const shown = proof?.share === stood ? proof : null;
  const isLike = (one: Regime): boolean => differenceOf(one.demand, demand) <= ALIKE;
  // What was shown once is worth more than what was merely so last, unless it has been held to and left again.
  const proven =
    shown === null ? known.find((one) => isLike(one) && one.proof !== null && !recalled.includes(one)) : undefined;
  const refuted = { backOffs: trials.backOffs, fruitless: trials.fruitless };
  const over: Regime = { demand, share: stood, proof: shown, ...proven, refuted };
  const others = known.filter((one) => !isLike(one));
  return { regimes: { ...NO_REGIMES, known: [over, ...others].slice(0, REGIMES_MAX) }, isKept: true };
}
