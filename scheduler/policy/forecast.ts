// Our own policy, and the default. It learns of each function what a start takes, how long calls run, how long instances stay idle (by their
// level in the stack of idle ones) and when the function returns; and decides by expected cost, memory held against waiting:
//
// - keep-alive: the one of least cost for the idle gaps seen at that level (keep-alive-choice.ts);
// - starting ahead: where forecasts of returns have proved cheaper than keeping or starting (return-forecast.ts);
// - starting or waiting for a busy instance: whichever costs less for all that wait (queue-drain.ts).
//
// What waiting is worth is set, or follows from the score that is to be had (waiting-price.ts). No constant here is of a trace; functions
// that are new are judged by what all functions have been like. docs/scheduler.md derives it.

import { ExecutionTime } from "./execution-time.ts";
import { GapHistogram, IdleGaps, levelOf, LEVELS, type SavedGaps } from "./idle-gaps.ts";
import { chooseKeepAlive, newKeepAliveChoice, type MissCost } from "./keep-alive-choice.ts";
import {
  FIRST_START_MS,
  NOTHING_WARM,
  type CapacityView,
  type FunctionPolicy,
  type Policy,
  type PoolView,
  type WarmPlan,
} from "./policy.ts";
import { totalWaitMs, type Draining } from "./queue-drain.ts";
import type { ReferenceFunction2020 } from "./reference-2020.ts";
import { ReturnForecast, SAVED_RETURNS_MAX } from "./return-forecast.ts";
import { amountIn, amountsIn } from "./saved-amounts.ts";
import { RUNGS, rungPrice, WaitingPrice, type Objective } from "./waiting-price.ts";

/** Other functions' gaps count as much as so many of its own, and so many of its gaps are taken never to end. Chosen: the least that is any. */
const PRIOR_GAPS = 1;
const NEVER_AGAIN = 1;
/** Of each function so many gaps go into what is known of all. */
const GAPS_FOR_ALL = 32;
/** Of calls that come at once. */
const TOGETHER_SMOOTHING = 1 / 4;
/** No more are taken to come at once: so many instances would be started. Chosen: as many as are remembered to be idle (idle-gaps.ts). */
const TOGETHER_MAX = 4_096;
/** A start's mean is over so many. */
const STARTS_MEAN = 16;
/** Calls further apart than so many starts are no burst; a gap longer than that is none that keeping an instance is sure to be cheaper for. */
const BURST_STARTS = 2;
/** Queues are looked at for so many times as long as starts, bursts and executions take, and what is busy has left; beyond, all is guessed anyway. Chosen. */
const HORIZON = 4;
/** A kept keep-alive is weighed anew when the price has changed by this, or its gaps are so much more. */
const PRICE_CHANGE = 0.05;
const GAPS_CHANGE = 1 / 16;
/** The sums by price are settled after so much more calls. */
const CALLS_CHANGE = 1 / 8;

export const forecast = (objective: Objective = { kind: "score-2023" }): Policy => {
  const common = new Common(objective);
  return {
    name: "forecast",
    sharesStarts: true,
    attach: (capacity) => void (common.capacity = capacity),
    follow: ({ memoryMb }, nowMs, saved) =>
      new ForecastFunction(common, memoryMb / 1024, nowMs, saved as SavedForecast | undefined),
    save: () => common.save(),
    restore: (saved) => common.restore(saved as SavedCommon),
  };
};

interface SavedCommon {
  readonly gaps: ReturnType<GapHistogram["save"]>;
  readonly starts: readonly [count: number, sumMs: number];
  readonly executions: readonly [count: number, sumMs: number];
  // Those below were not saved before; null where the objective has none.
  readonly price?: readonly number[] | null;
  readonly reference?: readonly number[] | null;
}

/** What is known of all functions together. */
class Common {
  readonly price: WaitingPrice;
  readonly gaps = new GapHistogram();
  capacity: CapacityView = { heldGbSeconds: () => 0 };
  starts = 0;
  startSumMs = 0;
  executions = 0;
  executionSumMs = 0;
  /** When anything was heard of any function last, its coming or a call's end; before all else nothing was held. */
  toldMs = -Infinity;

  constructor(objective: Objective) {
    this.price = new WaitingPrice(objective);
  }

  get startMs(): number {
    return this.starts === 0 ? FIRST_START_MS : this.startSumMs / this.starts;
  }

  /** As long as a start, until better is known: neither waiting nor starting is favoured. */
  get executionMs(): number {
    return this.executions === 0 ? this.startMs : this.executionSumMs / this.executions;
  }

  /** A call ended. */
  ended(executionMs: number, memoryGb: number, nowMs: number): void {
    this.executions++;
    this.executionSumMs += executionMs;
    this.price.executedSeconds += executionMs / 1e3;
    this.price.executedGbSeconds += (executionMs / 1e3) * memoryGb;
    this.told(nowMs);
  }

  told(nowMs: number): void {
    this.toldMs = Math.max(this.toldMs, nowMs);
  }

  save(): SavedCommon {
    if (this.toldMs > -Infinity) this.price.heldSince(this.capacity.heldGbSeconds(this.toldMs));
    return {
      gaps: this.gaps.save(),
      starts: [this.starts, this.startSumMs],
      executions: [this.executions, this.executionSumMs],
      price: this.price.save(),
      reference: this.price.reference?.save() ?? null,
    };
  }

  restore({ gaps, starts, executions, price = null, reference = null }: SavedCommon): void {
    this.gaps.restore(gaps);
    [this.starts, this.startSumMs] = pairIn(starts);
    [this.executions, this.executionSumMs] = pairIn(executions);
    if (price !== null) this.price.restore(price);
    if (reference !== null) this.price.reference?.restore(reference);
  }
}

/** Throws where it cannot have been saved. */
function pairIn(saved: unknown): [number, number] {
  const [count, amount] = amountsIn(saved, 2);
  return [amountIn(count), amountIn(amount)];
}

interface SavedForecast {
  readonly gaps: SavedGaps;
  readonly execution: readonly number[];
  readonly starts: readonly [count: number, meanMs: number];
  readonly calls: number;
  readonly returns: readonly number[] | null;
  // Those below were not saved before; JSON leaves out what is undefined.
  readonly callingMs?: number;
  readonly together?: number;
  readonly relativeError?: number | undefined;
  /** How long ago it was first heard of, as far as anything was heard of any function since. */
  readonly knownMs?: number;
  /** Calls when its part of the sums by price was settled last. */
  readonly settledCalls?: number;
  readonly inReference?: readonly number[] | undefined;
}

/** A keep-alive that was chosen, at which price, and up to how many gaps it holds; NaN before the first. One per level, written anew. */
class KeptChoice {
  price = NaN;
  gaps = NaN;
  keepAliveMs = NaN;
}

/** Reused: what is weighed last. */
const plain = newKeepAliveChoice();
const ahead = newKeepAliveChoice();
const miss: MissCost = { gbSeconds: 0, waitSeconds: 0 };
/** By rung of the price. */
const heldParts = new Float64Array(RUNGS);
const waitedParts = new Float64Array(RUNGS);
const draining: Draining = {
  waiting: 0,
  arrivingForMs: 0,
  arrivalsPerMs: 0,
  busyPerMs: 0,
  starting: 0,
  startedInMs: 0,
  perInstanceMs: 0,
};

class ForecastFunction implements FunctionPolicy {
  readonly #common: Common;
  readonly #memoryGb: number;
  #sinceMs: number;
  readonly #gaps = new IdleGaps();
  readonly #execution = new ExecutionTime();
  #returns: ReturnForecast | null = null;
  #starts = 0;
  #startMs = 0;
  #calls = 0;
  /** From its beginning to its last call; so long before a restart as well. */
  #callingMs = 0;
  #inFlight = 0;
  /** Calls since the last pause, and its end. */
  #burstCalls = 0;
  #burstSinceMs = 0;
  #lastArrivalMs = -Infinity;
  /** A start ahead that is due, and until when what was started ahead stays. */
  #planMs = Infinity;
  /** Calls that come at once when it returns: mean of the last few returns, and those since the last. */
  #together = 1;
  #sinceReturn = 0;
  #togetherUntilMs = -Infinity;
  #warmUntilMs = -Infinity;
  /** The instance that comes to rest next ended a call: else it was started and found none. */
  #hasEnded = false;
  /** Of the lowest level, which most instances are on; and by level of the others. */
  readonly #kept = new KeptChoice();
  readonly #keptAbove: KeptChoice[] = [];
  /** Its part of the sums by price, and how many calls that is of. Of what it was before a restart only that is saved. */
  #settledCalls = 0;
  #hasParts = true;
  readonly #held = new Float64Array(RUNGS);
  readonly #waited = new Float64Array(RUNGS);
  /** The same function under the reference that a score is relative to. */
  readonly #inReference: ReferenceFunction2020 | null;

  constructor(common: Common, memoryGb: number, nowMs: number, saved: SavedForecast | undefined) {
    this.#common = common;
    this.#memoryGb = memoryGb;
    this.#sinceMs = nowMs;
    common.told(nowMs);
    if (saved !== undefined) this.#restore(saved, nowMs);
    // Last: what is followed stays with all that are.
    this.#inReference = common.price.reference?.follow(memoryGb, saved?.inReference) ?? null;
  }

  /** Throws where it cannot have been saved. */
  #restore(saved: SavedForecast, nowMs: number): void {
    this.#gaps.restore(saved.gaps);
    this.#execution.restore(saved.execution);
    [this.#starts, this.#startMs] = pairIn(saved.starts);
    const { calls, callingMs, returns, relativeError, together, knownMs, settledCalls } = saved;
    if (returns !== null) {
      const error = relativeError === undefined ? null : amountIn(relativeError);
      this.#returns = new ReturnForecast(amountsIn(returns, SAVED_RETURNS_MAX), error);
    }
    if (together !== undefined) this.#together = Math.min(TOGETHER_MAX, amountIn(together));
    if (callingMs !== undefined) {
      this.#calls = amountIn(calls);
      this.#callingMs = amountIn(callingMs);
      this.#sinceMs = nowMs - Math.max(this.#callingMs, knownMs === undefined ? 0 : amountIn(knownMs));
    }
    // Where no sums were saved executions are counted anew, and so are parts.
    const { price } = this.#common;
    const settled = settledCalls === undefined ? Infinity : amountIn(settledCalls);
    this.#settledCalls = Math.min(this.#calls, price.isRestored ? settled : Infinity);
    this.#hasParts = callingMs === undefined;
    // Of how many calls that is was not said.
    if (callingMs !== undefined || !price.followsScore) return;
    this.#reckonParts();
    this.#guessParts(1);
  }

  arrived(nowMs: number): void {
    this.#calls++;
    const startMs = this.#expectedStartMs;
    const gapMs = this.#gaps.arrived(nowMs);
    // NaN where no instance would have been idle.
    if (gapMs === gapMs) {
      if (this.#calls <= GAPS_FOR_ALL) this.#common.gaps.add(gapMs);
      if (this.#inFlight === 0 && gapMs > BURST_STARTS * startMs) this.#returned(nowMs, startMs);
    }
    if (nowMs - this.#lastArrivalMs > BURST_STARTS * startMs) {
      this.#burstSinceMs = nowMs;
      this.#burstCalls = 0;
    }
    this.#inFlight++;
    this.#inReference?.arrived(this.#inFlight, startMs, nowMs);
    if (nowMs <= this.#togetherUntilMs) this.#sinceReturn++;
    this.#burstCalls++;
    this.#lastArrivalMs = nowMs;
    this.#callingMs = nowMs - this.#sinceMs;
  }

  /** As many as lower the cost: each for the waiting that it saves all that wait and are to come, against its memory while it starts. */
  startsFor(pool: PoolView, nowMs: number): number {
    const startMs = this.#expectedStartMs;
    const executionMs = this.#execution.calls === 0 ? this.#common.executionMs : this.#execution.meanMs;
    const coming = pool.starting + pool.unplaced;
    const burstMs = nowMs - this.#burstSinceMs;
    draining.waiting = pool.waiting;
    // A burst that has lasted so long is expected to last as long again.
    draining.arrivingForMs = burstMs;
    draining.arrivalsPerMs = burstMs > 0 ? (this.#burstCalls - 1) / burstMs : 0;
    const leftMs = pool.busy === 0 ? 0 : this.#leftMs(nowMs - pool.busySinceMs);
    draining.busyPerMs = pool.busy === 0 ? 0 : pool.busy / Math.max(1, 2 * leftMs);
    draining.starting = coming;
    draining.startedInMs = pool.starting === 0 ? startMs : Math.max(0, startMs - (nowMs - pool.startingSinceMs));
    draining.perInstanceMs = 1 / Math.max(1, executionMs);
    const servers = Math.max(1, pool.busy + coming);
    // Those that wait for what is busy wait as long as that has left, however long calls run as a rule.
    const horizonMs = HORIZON * (startMs + burstMs + leftMs + (executionMs * (1 + pool.waiting)) / servers);
    const worthMs = (this.#memoryGb * startMs) / this.#pricePerSecond;
    let starts = pool.busy + coming === 0 ? 1 : 0;
    let waitMs = totalWaitMs(draining, starts, startMs, horizonMs);
    while (starts + coming < pool.waiting) {
      const withOneMoreMs = totalWaitMs(draining, starts + 1, startMs, horizonMs);
      if (waitMs - withOneMoreMs <= worthMs) break;
      waitMs = withOneMoreMs;
      starts++;
    }
    return starts;
  }

  /** When those busy have run twice as long, but not before a part of a start has passed, nor after a whole one. */
  reconsiderAtMs({ busy, busySinceMs }: PoolView, nowMs: number): number {
    const startMs = this.#expectedStartMs;
    const elapsedMs = busy === 0 ? 0 : nowMs - busySinceMs;
    return nowMs + Math.min(startMs, Math.max(elapsedMs, startMs / 4));
  }

  started(startMs: number): void {
    this.#starts++;
    this.#startMs += (startMs - this.#startMs) / Math.min(this.#starts, STARTS_MEAN);
    this.#common.starts++;
    this.#common.startSumMs += startMs;
  }

  ended(executionMs: number, nowMs: number): void {
    this.#inFlight--;
    this.#hasEnded = true;
    this.#gaps.ended(nowMs);
    this.#execution.add(executionMs);
    this.#inReference?.ended(this.#inFlight, executionMs);
    this.#common.ended(executionMs, this.#memoryGb, nowMs);
    const isDue = this.#calls >= this.#settledCalls * (1 + CALLS_CHANGE) + 1;
    if (isDue && this.#common.price.followsScore) this.#settle(nowMs);
  }

  left(nowMs: number): void {
    this.#inFlight--;
    this.#gaps.ended(nowMs);
  }

  waited(waitMs: number): void {
    this.#common.price.actuallyWaitedSeconds += waitMs / 1e3;
  }

  keepAliveMs(_idle: number, nowMs: number): number {
    const hasEnded = this.#hasEnded;
    this.#hasEnded = false;
    if (!hasEnded && nowMs < this.#warmUntilMs) return 0;
    const level = levelOf(this.#gaps.depth);
    const price = this.#pricePerSecond;
    const gaps = this.#gaps.at(level)?.gaps ?? 0;
    const kept = level === 0 ? this.#kept : (this.#keptAbove[level] ??= new KeptChoice());
    // NaN is in no relation: where nothing was chosen yet, it is chosen now.
    if (Math.abs(price - kept.price) <= PRICE_CHANGE * kept.price && gaps <= kept.gaps) return kept.keepAliveMs;
    const { keepAliveMs } = this.#startsAhead(level, price) ? ahead : plain;
    kept.price = price;
    kept.gaps = gaps * (1 + GAPS_CHANGE);
    kept.keepAliveMs = keepAliveMs;
    return keepAliveMs;
  }

  /** The wait that an idle instance saves, by its memory, the sooner the more: by how often the function is called. */
  worth(nowMs: number): number {
    const callsPerMs = this.#calls / Math.max(1, nowMs - this.#sinceMs);
    return (callsPerMs * this.#expectedStartMs) / this.#memoryGb;
  }

  evicted(): void {}

  nextPlanMs(): number {
    return this.#planMs;
  }

  plan(): WarmPlan {
    this.#planMs = Infinity;
    if (this.#returns === null || !this.#startsAhead(0, this.#pricePerSecond)) return NOTHING_WARM;
    this.#warmUntilMs = this.#returns.untilMs;
    return { warm: this.#warmAhead(), untilMs: this.#warmUntilMs };
  }

  /**
   * How many for calls that come at once: B calls of X s wait X · B² ÷ 2n in all with n instances, which cost m · (T + w) each to have; least at
   * n = B · √(price · X ÷ (2 m · (T + w))).
   */
  #warmAhead(): number {
    const heldSeconds = this.#returns!.heldSeconds;
    const worth = (this.#pricePerSecond * (this.#execution.meanMs / 1e3)) / (2 * this.#memoryGb * heldSeconds);
    return Math.max(1, Math.round(this.#together * Math.min(1, Math.sqrt(worth))));
  }

  forecastError(): number | null {
    return this.#returns?.relativeError ?? null;
  }

  save(): SavedForecast {
    return {
      gaps: this.#gaps.save(),
      execution: this.#execution.save(),
      starts: [this.#starts, this.#startMs],
      calls: this.#calls,
      callingMs: this.#callingMs,
      together: this.#together,
      returns: this.#returns?.save() ?? null,
      relativeError: this.#returns?.relativeError ?? undefined,
      knownMs: this.#common.toldMs - this.#sinceMs,
      settledCalls: this.#settledCalls,
      inReference: this.#inReference?.save(),
    };
  }

  get #expectedStartMs(): number {
    return this.#starts === 0 ? this.#common.startMs : this.#startMs;
  }

  /** Expected, of calls that have run for so long on the mean. */
  #leftMs(elapsedMs: number): number {
    if (this.#execution.calls > 0) return this.#execution.leftMs(elapsedMs);
    return Math.max(this.#common.executionMs - elapsedMs, elapsedMs);
  }

  /** GB·s that a second of this function's waiting is worth. */
  get #pricePerSecond(): number {
    const { price } = this.#common;
    if (!price.countsColdStarts) return this.#inReference?.price ?? price.price;
    // A cold start costs the same however long it takes; where functions count equally, that of one with few calls counts more.
    const intervalMs = this.#callingMs / Math.max(1, this.#calls);
    const weight = price.countsFunctionsEqually ? Math.max(1, intervalMs) / 1e3 : 1;
    return (price.price * weight * 1e3) / this.#expectedStartMs;
  }

  #returned(nowMs: number, startMs: number): void {
    if (this.#sinceReturn > 0)
      this.#together += (Math.min(TOGETHER_MAX, this.#sinceReturn) - this.#together) * TOGETHER_SMOOTHING;
    this.#sinceReturn = 0;
    this.#togetherUntilMs = nowMs + Math.min(startMs, this.#execution.meanMs);
    const returns = (this.#returns ??= new ReturnForecast());
    returns.returned(nowMs, startMs, this.#memoryGb, this.#pricePerSecond);
    const dueMs = returns.readyMs - startMs;
    this.#planMs = dueMs > nowMs ? dueMs : Infinity;
  }

  /** Into `plain` and `ahead`: keep-alives and costs at that price, and whether starting ahead of returns is the cheaper. */
  #startsAhead(level: number, price: number): boolean {
    const startMs = this.#expectedStartMs;
    const gaps = this.#gaps.at(level);
    miss.gbSeconds = (this.#memoryGb * startMs) / 1e3;
    miss.waitSeconds = startMs / 1e3;
    const missCost = miss.gbSeconds + price * miss.waitSeconds;
    const prior = this.#common.gaps;
    // Where waiting has its price a keep-alive is worth the chance; a score's sums go by what was seen.
    const beyond = !this.#common.price.followsScore;
    chooseKeepAlive(gaps, prior, PRIOR_GAPS, NEVER_AGAIN, this.#memoryGb, miss, price, Infinity, beyond, plain);
    const returns = level === 0 ? this.#returns : null;
    if (returns === null || !returns.isJudged) return false;
    miss.gbSeconds = returns.heldSeconds * this.#memoryGb;
    miss.waitSeconds = returns.waitedSeconds;
    if (miss.gbSeconds + price * miss.waitSeconds >= missCost) return false;
    // Judged are returns, which are gaps longer than this: for those alone it tells what they cost.
    const keepMsMax = BURST_STARTS * startMs;
    chooseKeepAlive(gaps, prior, PRIOR_GAPS, NEVER_AGAIN, this.#memoryGb, miss, price, keepMsMax, false, ahead);
    return ahead.cost < plain.cost;
  }

  /** What it would have come to at each price takes the place of what it came to before. */
  #settle(nowMs: number): void {
    const { price, capacity } = this.#common;
    this.#reckonParts();
    if (!this.#hasParts) this.#guessParts(this.#settledCalls / this.#calls);
    this.#settledCalls = this.#calls;
    for (let rung = 0; rung < RUNGS; rung++) {
      // Of sums that somebody wrote a part may be more than all.
      price.held[rung] = Math.max(0, price.held[rung]! + heldParts[rung]! - this.#held[rung]!);
      price.waited[rung] = Math.max(0, price.waited[rung]! + waitedParts[rung]! - this.#waited[rung]!);
    }
    this.#held.set(heldParts);
    this.#waited.set(waitedParts);
    price.heldSince(capacity.heldGbSeconds(nowMs));
    price.settle();
  }

  /** They are what was reckoned, as far as it had come to that when it was settled last: `settled`, 0 to 1. */
  #guessParts(settled: number): void {
    this.#hasParts = true;
    for (let rung = 0; rung < RUNGS; rung++) {
      this.#held[rung] = heldParts[rung]! * settled;
      this.#waited[rung] = waitedParts[rung]! * settled;
    }
  }

  /** Into `heldParts` and `waitedParts`. */
  #reckonParts(): void {
    const startSeconds = this.#expectedStartMs / 1e3;
    heldParts.fill(this.#gaps.firstUses * startSeconds * this.#memoryGb);
    waitedParts.fill(this.#gaps.firstUses * startSeconds);
    for (let level = 0; level < LEVELS; level++) {
      if (this.#gaps.at(level) === undefined) continue;
      for (let rung = 0; rung < RUNGS; rung++) {
        const choice = this.#startsAhead(level, rungPrice(rung)) ? ahead : plain;
        heldParts[rung]! += choice.heldGbSeconds;
        waitedParts[rung]! += choice.waitedSeconds;
      }
    }
  }
}
