// Which of the best shares are worth moving to: a move has to promise more than the noise of what it was reckoned from. All
// together where a pool is too busy, function by function where it is about what callers wait for.

import { clamp } from "#runtime/clamp.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { atShare, busyUs } from "./cost-model.ts";
import type { FunctionCosts } from "./function-costs.ts";
import { mixedTimes, SPLIT_MIN } from "./mixing.ts";
import {
  CALLERS,
  COMFORTABLE_UTILISATION,
  excessOver,
  growthOf,
  optimalShares,
  outlookOf,
  Overload,
  type Outlook,
} from "./optimal-shares.ts";
import {
  callsOf,
  partsOfPool,
  partsOfWork,
  POOLS,
  poolUse,
  type Capacity,
  type Load,
  type PoolUse,
} from "./pool-use.ts";
import { gainingSide } from "./tried-function.ts";

/** One function that is called. */
export interface Candidate {
  /** Now. */
  readonly share: number;
  readonly load: Load;
  readonly costs: FunctionCosts;
  /** From how long it is known how many calls come. */
  readonly rateSeconds: number;
  /** What it works more where half of its calls are on either side, as a part (mixing.ts). */
  readonly mixingExcess: number;
  /** Of the last ten seconds. */
  readonly hasMovedLately: boolean;
  /** Where it is not it goes when visits have been there. */
  readonly isWarm: Readonly<Record<Side, boolean>>;
  /** Its calls come all at once, and nobody planned for so many: what is full is left at once, whatever it costs to serve them on both sides. */
  readonly isNewSurge: boolean;
}

/** A move's gain and what it was weighed against: times or utilisations before and after, and the standard error of the gain. */
export interface Gain {
  readonly kind: "latency" | "overload";
  /** µs of a call, or the utilisation of the busiest pool. */
  readonly from: number;
  readonly to: number;
  readonly noise: number;
}

export interface Choice {
  readonly share: number;
  /** null: it stays, or its bounds leave no choice. */
  readonly gain: Gain | null;
}

/** A move must promise more than this, whatever the noise. Chosen: repetitions of a benchmark differ by as much. */
const PROMISE_MIN = 0.05;
/** … and more than so many standard errors. */
const PROMISE_NOISES = 2;
/**
 * How long queues are changes from moment to moment, and with every move: of what calls wait for others this part is taken for noise. So
 * where most of a call is that, a move must promise half of it. Chosen; bench `placement` measures mixes.
 */
const CROWD_DOUBT = 0.25;
/** Less of it keeps nothing from a split: of what only computes the split lets more calls come than either side. Chosen. */
const MIXING_MIN = 0.02;
/** A function whose work is a smaller part of all relieves no pool, mostly: it goes by what its callers wait. Chosen. */
const WORK_MIN = 0.02;
/** Of what fills a pool less is a small part. Chosen. */
const SMALL_PART_MAX = 0.1;
/** Of what a function brings that is hardly known: half. Chosen: beyond it one that is seldom called would keep all others where they are. */
const LOAD_VARIANCE_MAX = 0.25;
/** A plan that fills a pool this far brings calls that fill it. */
const NEARLY = 0.95;
/**
 * A core is slower for moments, and all that was known of a side is off together however many calls that was: where all that moves has moved lately the gain has this standard
 * error besides. Chosen: of splits that moved by a quarter for 5 to 7 percent most moved back within a second or two (bench `placement`).
 */
const AGAIN_NOISE = 0.04;
/** Functions moved one by one in one step, at most; the next step goes on. Those that visits go to first are not moved yet. */
const SINGLE_MOVES_MAX = 64;

/** Shares of which several change together. */
interface Plan {
  readonly shares: Float64Array;
  readonly gain: Gain;
  /** The same, with what functions that both sides serve make all work more. */
  readonly weighed: Gain;
}

interface Choices {
  /** What the candidates use of each pool, whatever their shares are. */
  readonly use: PoolUse;
  /** In the order of the candidates. */
  readonly choices: readonly Choice[];
  /** Of the best shares, whether they are worth the moves or not. */
  readonly best: Outlook;
}

export function worthwhileShares(candidates: readonly Candidate[], capacity: Capacity): Choices {
  const loads = candidates.map(({ load }) => load);
  const use = poolUse(loads, capacity);
  const now = use.lowest.map((low, index) => clamp(candidates[index]!.share, low, use.highest[index]!));
  const before = outlookOf(use, now);
  let best = optimalShares(use, now);
  let after = outlookOf(use, best);
  const isNearlyCrowded = Math.max(before.busiest, after.busiest) > NEARLY * COMFORTABLE_UTILISATION;
  const growth = isNearlyCrowded ? growthOf(use, now) : 1;
  if (growth > 1) best = optimalShares(use, now, growth);
  best = best.map((share, index) => unsplit(share, candidates[index]!.load));
  after = outlookOf(use, best);
  if (before.crowded || after.crowded) {
    const work = workOf(candidates);
    const splits = new Splits(candidates, work);
    best = withFewerSplits(best, use, splits, excessOver(use, now));
    after = outlookOf(use, best);
    const planOf = (shares: Float64Array, outlook = outlookOf(use, shares)): Plan => {
      const again = againPart(candidates, work, shares, now);
      const balances = outlook.crowded && again > 0 ? balancesOf(use, loads, now) : null;
      const noise = Math.hypot(noiseOf(candidates, work, { best: shares, now, balances }), again * AGAIN_NOISE);
      const gain = { kind: "overload", from: busiestOf(before), to: busiestOf(outlook), noise } as const;
      const [from, to] = [gain.from * splits.timesOf(now), gain.to * splits.timesOf(shares)];
      return { shares, gain, weighed: { ...gain, from, to } };
    };
    const all = planOf(best, after);
    if (isWorthIt(all.weighed)) {
      const weighty = planOf(best.map((share, index) => (work[index]! < WORK_MIN ? now[index]! : share)));
      // Many small ones together are not small, nor is one for a pool that is small itself.
      const isEnough = isWorthIt(weighty.weighed) && weighty.weighed.to < (1 + PROMISE_MIN) * all.weighed.to;
      const { shares, gain } = isEnough ? weighty : all;
      const choices = Array.from(shares, (share, index) => ({ share, gain: share === now[index] ? null : gain }));
      return { use, choices, best: after };
    }
    if (before.crowded) best = withoutOwnQueues(best, use, now);
  }
  return { use, choices: oneByOne(candidates, use, best, now), best: after };
}

/** All of a function's calls or none go where nearly all or hardly any would. */
const unsplit = (share: number, { lowest, highest }: Load): number =>
  share < SPLIT_MIN && lowest === 0 ? 0 : share > 1 - SPLIT_MIN && highest === 1 ? 1 : share;

/**
 * Callers who fill a pool wait for each other wherever they are: what they wait on one side says nothing of the other. So of what fills a pool those that do not stay,
 * all together, are a small part.
 */
function withoutOwnQueues(best: Float64Array, { pools }: PoolUse, now: Float64Array): Float64Array {
  const full = pools.filter((pool, at) => at !== CALLERS && pool.at(now) > COMFORTABLE_UTILISATION);
  const left = full.map((pool) => SMALL_PART_MAX * pool.at(now));
  return best.map((share, index) => {
    if (share === now[index]) return share;
    const moved = full.map(({ added }) => Math.abs(added[index]! * (share - now[index]!)));
    if (moved.some((part, at) => part > left[at]!)) return now[index]!;
    moved.forEach((part, at) => (left[at]! -= part));
    return share;
  });
}

/** For those whose callers will wait less without making any pool too busy. */
function oneByOne(
  candidates: readonly Candidate[],
  use: PoolUse,
  best: ArrayLike<number>,
  now: ArrayLike<number>,
): readonly Choice[] {
  let overload: Overload | null = null;
  let left = SINGLE_MOVES_MAX;
  return candidates.map((candidate, index) => {
    const from = now[index]!;
    const to = best[index]!;
    if (from === to || left === 0) return { share: from, gain: null };
    const gain = latencyGain(candidate.costs, from, to);
    if (!isWorthIt(gain)) return { share: from, gain: null };
    overload ??= new Overload(use, now);
    if (!overload.move(index, from, to)) return { share: from, gain: null };
    if (candidate.isWarm[gainingSide(candidate, to)]) left -= 1;
    return { share: to, gain };
  });
}

/** Of a move from one share to another, what its callers would wait less. */
export const latencyGain = ({ sides }: Pick<FunctionCosts, "sides">, from: number, to: number): Gain => ({
  kind: "latency",
  from: latencyAt(sides, from),
  to: latencyAt(sides, to),
  noise: noiseOfWaiting({ compute: sides.compute.cost, storage: sides.storage.cost }, errorOf(sides), from),
});

/** Of what callers would wait less than under a share. `error`: of the difference between the sides. */
export const noiseOfWaiting = (costs: Load["costs"], error: number, share: number): number =>
  error + CROWD_DOUBT * crowdedPart(costs, share);

const isWorthIt = (gain: Gain): boolean => savedPart(gain) > neededPart(gain);

/** Of what there is before the move. */
export const savedPart = ({ from, to }: Gain): number => 1 - to / from;

/** What it has to save more than. */
export const neededPart = ({ noise }: Pick<Gain, "noise">): number => Math.max(PROMISE_MIN, PROMISE_NOISES * noise);

const busiestOf = ({ overload }: Outlook): number => COMFORTABLE_UTILISATION + overload;

/** What functions that both sides serve make all work more than a linear model has it. */
class Splits {
  /** Of each function, where half of its calls are on either side: as a part of all work. */
  readonly #most: Float64Array;

  constructor(candidates: readonly Candidate[], work: readonly number[]) {
    this.#most = Float64Array.from(candidates, ({ mixingExcess, isNewSurge }, index) =>
      isNewSurge ? 0 : mixingExcess * work[index]!,
    );
  }

  /** Whether it is next to nothing, for one function. */
  isSlight(index: number): boolean {
    return this.#most[index]! < MIXING_MIN;
  }

  /** So many times as much, 1 without any. */
  timesOf(shares: ArrayLike<number>): number {
    return this.#most.reduce((times, most, index) => times + mixedTimes(most, shares[index]!) - 1, 1);
  }
}

/** Each function of which that is some part that is split goes to a corner instead, where that is better for the calls of now. */
function withFewerSplits(
  shares: Float64Array,
  { lowest, highest }: PoolUse,
  splits: Splits,
  excessOf: (shares: ArrayLike<number>) => number,
): Float64Array {
  const isSplit = (index: number): boolean => shares[index]! > 0 && shares[index]! < 1 && !splits.isSlight(index);
  const split = [...shares.keys()].filter(isSplit);
  if (split.length === 0) return shares;
  const busyWith = (some: Float64Array): number => (COMFORTABLE_UTILISATION + excessOf(some)) * splits.timesOf(some);
  let [best, least] = [shares, busyWith(shares)];
  for (const index of split) {
    for (const corner of [0, 1]) {
      if (corner < lowest[index]! || corner > highest[index]!) continue;
      const other = best.with(index, corner);
      const busy = busyWith(other);
      if (busy < least) [best, least] = [other, busy];
    }
  }
  return best;
}

/**
 * Of a joint gain: the errors of the functions that move, each by its part of what all cost. Beside those of the costs that of how many calls come and what they take, as far as
 * it is not all functions' alike: two that change places gain by the difference. Where one moves again so soon, and pools stay crowded, that of all functions, by how the gain goes with
 * what each brings (`balances`, else null): what stays where it is makes a pool the busiest as well, by turns.
 */
function noiseOf(
  candidates: readonly Candidate[],
  work: readonly number[],
  {
    best,
    now,
    balances,
  }: Readonly<Record<"best" | "now", ArrayLike<number>>> & {
    readonly balances: ArrayLike<number> | null;
  },
): number {
  const squares = candidates.reduce((sum, { load, rateSeconds, costs: { sides, meanError } }, index) => {
    const part = work[index]!;
    const change = best[index]! - now[index]!;
    const { compute, storage } = callsOf(load, now[index]!);
    const calls = (compute + storage) * rateSeconds;
    const ofLoad = Math.min(LOAD_VARIANCE_MAX, 1 / Math.max(1, calls) + meanError ** 2);
    const ofItself = change * part * (1 - part);
    const ofBalance = balances?.[index] ?? 0;
    return sum + (part * change * errorOf(sides)) ** 2 + Math.max(ofItself ** 2, ofBalance ** 2) * ofLoad;
  }, 0);
  return Math.sqrt(squares);
}

/** Of the work that moves, the part whose functions have moved lately. 0 in a new surge, which is no chance. */
function againPart(
  candidates: readonly Candidate[],
  work: readonly number[],
  best: ArrayLike<number>,
  now: ArrayLike<number>,
): number {
  if (candidates.some(({ isNewSurge }) => isNewSurge)) return 0;
  let [moving, again] = [0, 0];
  candidates.forEach(({ hasMovedLately }, index) => {
    const moved = work[index]! * Math.abs(best[index]! - now[index]!);
    moving += moved;
    if (hasMovedLately) again += moved;
  });
  return moving > 0 ? again / moving : 0;
}

/**
 * By how much the gain of a plan grows with what each function brings, both as parts: by how much busier that makes the busiest pool now, less the same of the plan's. Whose pools are about
 * alike, as where all are crowded: each function makes them busier by its part of all work.
 */
function balancesOf({ pools }: PoolUse, loads: readonly Load[], now: ArrayLike<number>): Float64Array {
  const busy = pools.map((pool) => pool.at(now));
  const machines = POOLS.filter((_, at) => at !== CALLERS);
  const busiest = machines.reduce((most, pool) =>
    busy[POOLS.indexOf(pool)]! > busy[POOLS.indexOf(most)]! ? pool : most,
  );
  const inBusiest = partsOfPool(busiest, loads, now);
  const ofWork = partsOfWork(loads, now);
  return inBusiest.map((part, index) => part - ofWork[index]!);
}

/** Of each, on the side where it is more: the part of all. */
function workOf(candidates: readonly Candidate[]): readonly number[] {
  const busy = candidates.map(
    ({ load: { callsPerSecond, costs } }) => callsPerSecond * Math.max(busyUs(costs.compute), busyUs(costs.storage)),
  );
  const total = busy.reduce((sum, one) => sum + one, 0);
  return busy.map((one) => (total <= 0 ? 0 : one / total));
}

type Sides = FunctionCosts["sides"];

/** Of the difference between the sides, as a share of the cost. */
export const errorOf = ({ compute, storage }: Sides): number => Math.sqrt(compute.error ** 2 + storage.error ** 2);

/** Of what a call takes under a share, the part that it waits for others. */
const crowdedPart = (costs: Load["costs"], share: number): number =>
  Math.max(
    0,
    atShare(costs, share, ({ terms }) => terms.crowd),
  ) / atShare(costs, share, ({ latencyUs }) => latencyUs);

export const latencyAt = ({ compute, storage }: Sides, share: number): number =>
  atShare({ compute: compute.cost, storage: storage.cost }, share, ({ latencyUs }) => latencyUs);
