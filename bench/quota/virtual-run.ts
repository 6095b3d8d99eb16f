// The same load on the same decider in virtual time: what of a figure is the decisions', and what the machine's. The kernel is as simple as
// can be: a quota's worth of CPU time at the beginning of each period, and anew with each change; an instance runs one call after the other.

import { Reallocation, type Change } from "#scheduler/reallocation/reallocation.ts";
import { percentile } from "#compute/cli/summary.ts";
import { FUNCTIONS, type Arrival } from "./load.ts";

export interface VirtualRun {
  readonly reservedPerUsed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface VirtualInstance {
  readonly id: string;
  readonly queue: { leftMs: number; readonly atMs: number }[];
  cpus: number;
  budgetMs: number;
  usedMs: number;
  throttledMs: number;
  callsMost: number;
  /** When its last call ended. */
  endedMs: number;
}

const STEP_MS = 0.25;
const PERIOD_MS = 100;
/** A little off a period: looks and periods are not aligned. */
const LOOK_MS = 101;
const REST_AFTER_MS = 50;
const THROTTLED_MIN = 0.02;

export function virtualRun(follows: boolean, arrivals: readonly Arrival[], limitCpus: number): VirtualRun {
  const reallocation = new Reallocation({ total: limitCpus * FUNCTIONS, floor: 0.02, step: 0.01, rests: true });
  const instances = Array.from({ length: FUNCTIONS }, (_, index): VirtualInstance => {
    reallocation.add(`${index}`, limitCpus);
    const none = { budgetMs: 0, usedMs: 0, throttledMs: 0, callsMost: 0, endedMs: 0 };
    return { id: `${index}`, queue: [], cpus: limitCpus, ...none };
  });
  const apply = (changes: readonly Change[]): void => {
    for (const { id, amount } of follows ? changes : []) {
      const one = instances[Number(id)]!;
      one.cpus = amount;
      one.budgetMs = amount * PERIOD_MS;
    }
  };
  const waitsMs: number[] = [];
  let [reservedMs, usedMs, arrived] = [0, 0, 0];
  for (let step = 0; waitsMs.length < arrivals.length; step++) {
    const nowMs = step * STEP_MS;
    for (; (arrivals[arrived]?.atMs ?? Infinity) <= nowMs; arrived++) {
      const { atMs, of, cpuMs } = arrivals[arrived]!;
      const { id, queue } = instances[of]!;
      queue.push({ leftMs: cpuMs, atMs });
      instances[of]!.callsMost = Math.max(instances[of]!.callsMost, queue.length);
      apply(reallocation.called(id, queue.length));
    }
    for (const one of instances) {
      if (nowMs % PERIOD_MS === 0) one.budgetMs = one.cpus * PERIOD_MS;
      reservedMs += one.cpus * STEP_MS;
      const call = one.queue[0];
      if (call === undefined) {
        if (nowMs - one.endedMs === REST_AFTER_MS) apply(reallocation.rested(one.id));
        continue;
      }
      if (one.budgetMs <= 0) {
        one.throttledMs += STEP_MS;
        continue;
      }
      one.budgetMs -= STEP_MS;
      one.usedMs += STEP_MS;
      usedMs += STEP_MS;
      call.leftMs -= STEP_MS;
      if (call.leftMs > 0) continue;
      one.queue.shift();
      one.endedMs = nowMs + STEP_MS;
      waitsMs.push(one.endedMs - call.atMs);
    }
    if (nowMs % LOOK_MS === 0) apply(reallocation.sampled(instances.map(sampleOf), nowMs));
  }
  const sorted = Float64Array.from(waitsMs).toSorted();
  return {
    reservedPerUsed: reservedMs / usedMs,
    p50Ms: percentile(sorted, 50) ?? Number.NaN,
    p99Ms: percentile(sorted, 99) ?? Number.NaN,
  };
}

/** Of the time since the last one. */
function sampleOf(one: VirtualInstance) {
  const { id, usedMs, throttledMs, callsMost } = one;
  one.usedMs = 0;
  one.throttledMs = 0;
  one.callsMost = one.queue.length;
  const lacked = throttledMs / LOOK_MS > THROTTLED_MIN ? Infinity : null;
  return { id, used: usedMs / LOOK_MS, calls: callsMost, lacked };
}
