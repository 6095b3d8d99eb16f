// The port of policies: when instances are started ahead, how long idle ones are kept, whether a call waits for a busy one. A policy holds
// no clock and no randomness and does nothing itself: it is told what happened and when, and answers what it is asked. The scheduler
// obeys within the limits of function and nodes. The same object decides live and in the simulator.

/** What is known of a function when it is first heard of. Its name is not: no policy may know one. */
interface FunctionFacts {
  readonly memoryMb: number;
}

export interface Policy {
  /** As `--policy` and the log name it. */
  readonly name: string;
  /** Whether a call whose start is under way takes an instance that is free earlier; else it waits for its own, as the contests' references do. */
  readonly sharesStarts: boolean;
  /** Once, before anything else: where it finds what was held in all. */
  attach(capacity: CapacityView): void;
  /** What decides for one function. `saved` is what `save` of the same policy gave, before a restart. */
  follow(facts: FunctionFacts, nowMs: number, saved?: unknown): FunctionPolicy;
  /** What it knows of all functions together, as JSON; `restore` takes it back. */
  save(): unknown;
  restore(saved: unknown): void;
}

export interface CapacityView {
  /** Configured memory of all instances, from the beginning of each to its end, or until now. */
  heldGbSeconds(nowMs: number): number;
}

/** Instances of one function when the policy is asked. */
export interface PoolView {
  /** Instances that hold a call. */
  readonly busy: number;
  readonly idle: number;
  readonly starting: number;
  /** Calls that wait, the one that is asked for included. */
  readonly waiting: number;
  /** Starts that wait for a node; they are not among `starting`. */
  readonly unplaced: number;
  /** Mean times since when those starting start and those busy are busy; NaN where there are none. */
  readonly startingSinceMs: number;
  readonly busySinceMs: number;
}

/** All times are ms of one clock that never goes back. Each is O(1), amortised. */
export interface FunctionPolicy {
  /** A call came. Before anything else is asked about it. */
  arrived(nowMs: number): void;
  /** No instance is free for a call: how many starts it is worth, 0 where waiting for those busy or starting is better. */
  startsFor(pool: PoolView, nowMs: number): number;
  /** When a call that was left to wait is to be asked about again; Infinity where never. */
  reconsiderAtMs(pool: PoolView, nowMs: number): number;
  /** A start took so long. */
  started(startMs: number, nowMs: number): void;
  /** An instance ended a call that ran so long; those that waited took `waitMs` before it. */
  ended(executionMs: number, nowMs: number): void;
  /** A call that came is no more, and nobody knows how long it would have run: it was given up, or lost with its instance. */
  left(nowMs: number): void;
  /** A call was granted an instance after so long, 0 where one was free; or it has left its holder's queue without one (`left`). */
  waited(waitMs: number, nowMs: number): void;
  /** An instance is idle now, `idle` with it: how long it stays. 0 ends it at once, Infinity never. */
  keepAliveMs(idle: number, nowMs: number): number;
  /** What an idle instance is worth: where room is short, the least goes first. */
  worth(nowMs: number): number;
  /** One of that worth was ended to make room. */
  evicted(worth: number, pool: PoolView): void;
  /** When `plan` shall be asked next; Infinity where nothing is foreseen. Read after each arrival, each plan, and when an instance comes to rest. */
  nextPlanMs(nowMs: number): number;
  /** How many instances should be warm now (free or starting, above those that calls wait for), and no fewer than until when. */
  plan(pool: PoolView, nowMs: number): WarmPlan;
  /** A forecast's error on what it had not seen when it was made; null where it makes none. */
  forecastError(): number | null;
  /** As JSON. */
  save(): unknown;
}

export interface WarmPlan {
  readonly warm: number;
  readonly untilMs: number;
}

/** That a start is taken to last until one was seen. Chosen. */
export const FIRST_START_MS = 1_000;

export const NOTHING_WARM: WarmPlan = { warm: 0, untilMs: 0 };
