// What holders of leases say that calls did on their instances, as the policy is told of it: calls that came and ended, when they did. Half a
// second of calls is a few figures, so what is told is made of them: right are when the first came, when the last ended, how long calls ran each, and how
// long an instance was in use; what came in between is spread evenly.
//
// An instance that is lent takes several calls at once, and the policy decides about instances: of calls that overlap it is told as of one after
// another, as many as together are in use as long. docs/scheduler.md, What the policy is told.
//
// Calls that find no instance wait with their holder. How many do is said when it asks and with each beat, and the policy hears of each that it came, at
// first; then that it waited, when it has come to run on a lease or has left without.

import type { FunctionPool } from "./function-pool.ts";
import type { Lease } from "./lease.ts";

/** Of one lease, since its holder last said so. Times are of the scheduler's clock. */
export interface LeaseCalls {
  readonly lease: Lease;
  /** Calls that ended, and how long they ran, together. */
  readonly ended: number;
  readonly executionMs: number;
  /** How long calls ran there, one or more. */
  readonly usedMs: number;
  /** Since when, at first. */
  readonly usedSinceMs: number;
  /** Since when none runs; null: some do. */
  readonly unusedSinceMs: number | null;
  /** How long those that came had waited for it, together. */
  readonly waitedMs: number;
}

/** Of one function and holder, of calls that find no instance. Of those that overlap on one it counts as one, as above. */
export interface HolderWaits {
  readonly pool: FunctionPool;
  readonly holder: string;
  /** That wait now. */
  readonly waiting: number;
  /** That have left without one since this was said last, and how long each had waited. */
  readonly left: number;
  readonly leftWaitMs: number;
}

/**
 * The policy is told of so many of one lease at once, and of so many that have left; of more it is told as of fewer, longer ones. No instance ends as many in
 * half a second.
 */
const CALLS_MAX = 5_000;
/** No call runs shorter. */
const EXECUTION_MS_MIN = 0.001;

interface CallEvent {
  readonly holder: string;
  readonly atMs: number;
  readonly what: "came" | "waited" | "ended" | "left";
  /** Of one that ended how long it ran, of one that came or waited how long it waited. */
  readonly forMs: number;
}

/** Tells the policies of the functions of which this is, which it answers. */
export function tellCalls(
  told: readonly LeaseCalls[],
  waits: readonly HolderWaits[],
  now: number,
): Iterable<FunctionPool> {
  const events = new Map<FunctionPool, CallEvent[]>();
  for (const calls of told) {
    const { pool } = calls.lease.instance;
    const ofPool = events.get(pool) ?? [];
    ofPool.push(...eventsOf(calls, now));
    events.set(pool, ofPool);
  }
  for (const [pool, ofPool] of events) for (const event of ofPool.toSorted(byTime)) tell(pool, event);
  for (const one of waits) tellWaits(one, now);
  return new Set([...events.keys(), ...waits.map(({ pool }) => pool)]);
}

const byTime = (one: CallEvent, other: CallEvent): number => one.atMs - other.atMs;

/** A policy's clock never goes back: what another node says of before is taken to be as late as what was told last. */
function tell(pool: FunctionPool, { holder, atMs, what, forMs }: CallEvent): void {
  const { policy } = pool;
  pool.toldMs = Math.max(pool.toldMs, atMs);
  if (what === "ended") return pool.ended(forMs, pool.toldMs);
  if (what === "left") return policy.left(pool.toldMs);
  if (what === "came") tellCame(pool, holder);
  policy.waited(forMs, pool.toldMs);
}

/** One that has waited may have been heard of. */
function tellCame(pool: FunctionPool, holder: string): void {
  const known = pool.awaited.get(holder) ?? 0;
  if (known > 0) setAwaited(pool, holder, known - 1);
  else pool.policy.arrived(pool.toldMs);
}

/** So many wait with a holder now: those that are new have come. */
export function tellWaiting(pool: FunctionPool, holder: string, waiting: number, now: number): void {
  pool.toldMs = now;
  let known = pool.awaited.get(holder) ?? 0;
  if (known >= waiting) return;
  for (; known < waiting; known++) pool.policy.arrived(now);
  setAwaited(pool, holder, waiting);
}

function tellWaits({ pool, holder, waiting, left, leftWaitMs }: HolderWaits, now: number): void {
  const { policy } = pool;
  pool.toldMs = now;
  const count = Math.min(left, CALLS_MAX);
  const waitMs = Math.min((leftWaitMs * left) / count, pool.config.timeoutMs);
  for (let one = 0; one < count; one++) {
    tellCame(pool, holder);
    policy.waited(waitMs, now);
    policy.left(now);
  }
  tellWaiting(pool, holder, waiting, now);
  // Others are gone of which nobody says what they came to: that was lost, or they overlap with those of which it was said.
  let known = pool.awaited.get(holder) ?? 0;
  for (; known > waiting; known--) policy.left(now);
  setAwaited(pool, holder, waiting);
}

function setAwaited({ awaited }: FunctionPool, holder: string, waiting: number): void {
  if (waiting === 0) awaited.delete(holder);
  else awaited.set(holder, waiting);
}

/** Of one lease. */
function eventsOf(calls: LeaseCalls, now: number): readonly CallEvent[] {
  const { lease, ended, executionMs, usedMs, usedSinceMs, unusedSinceMs, waitedMs } = calls;
  const { isUsed: wasUsed, toldMs, holder } = lease;
  const isUsed = unusedSinceMs === null;
  // One that waited and came to nothing has waited.
  if (!wasUsed && !isUsed && ended === 0 && waitedMs === 0) return [];
  const fromMs = wasUsed ? toldMs : within(usedSinceMs, toldMs, now);
  const untilMs = within(unusedSinceMs ?? now, fromMs, now);
  lease.toldMs = now;
  lease.isUsed = isUsed;
  lease.unusedSinceMs = untilMs;
  lease.untoldMs += usedMs;
  const { count, eachMs } = ended === 0 ? { count: 0, eachMs: 0 } : oneByOne(lease, ended, executionMs);
  const pieces = count + (isUsed ? 1 : 0);
  const came = (ended === 0 ? 1 : pieces) - (wasUsed ? 1 : 0);
  const waitMs = Math.min(waitedMs / Math.max(1, came), lease.instance.pool.config.timeoutMs);
  // It came before it ran; not before what was told last.
  const cameToRunAt = (ms: number): CallEvent => {
    return { holder, atMs: Math.max(toldMs, ms - waitMs), what: "came", forMs: waitMs };
  };
  const events: CallEvent[] = [];
  // After one that came to nothing, of which nobody says that it ended.
  if (came === 0 && waitMs > 0) events.push({ holder, atMs: fromMs, what: "waited", forMs: waitMs });
  if (ended === 0) {
    if (!wasUsed) events.push(cameToRunAt(fromMs));
    // What was said of its end was lost, or it came to nothing.
    if (!isUsed) events.push({ holder, atMs: untilMs, what: "left", forMs: 0 });
    if (!isUsed) lease.untoldMs = 0;
    return events;
  }
  const pieceMs = Math.min(usedMs, untilMs - fromMs) / pieces;
  const stepMs = pieces === 1 ? 0 : (untilMs - fromMs - pieceMs) / (pieces - 1);
  for (let piece = 0; piece < pieces; piece++) {
    const atMs = fromMs + piece * stepMs;
    if (piece > 0 || !wasUsed) events.push(cameToRunAt(atMs));
    if (piece === count) break;
    // Not after the next has come: sums are not exact.
    const endMs = piece === pieces - 1 ? untilMs : Math.min(atMs + pieceMs, fromMs + (piece + 1) * stepMs);
    events.push({ holder, atMs: endMs, what: "ended", forMs: eachMs });
  }
  return events;
}

/** Calls one after another that take as long as those that ended ran, and together as long as the instance was in use. */
function oneByOne(
  lease: Lease,
  ended: number,
  executionMs: number,
): { readonly count: number; readonly eachMs: number } {
  const { untoldMs, isUsed } = lease;
  const meanMs = Math.max(EXECUTION_MS_MIN, executionMs / ended);
  const most = Math.min(ended, CALLS_MAX);
  const count = Math.min(most, Math.max(1, Math.round(untoldMs / meanMs)));
  // What is left of the time is of calls that run on.
  const eachMs = isUsed && count === ended ? Math.min(meanMs, untoldMs / count) : untoldMs / count;
  lease.untoldMs = isUsed ? untoldMs - count * eachMs : 0;
  return { count, eachMs };
}

const within = (ms: number, fromMs: number, untilMs: number): number => Math.max(fromMs, Math.min(untilMs, ms));
