// Replays calls as windows of samples, on a clock of its own. A test says how long calls take: they do not depend
// on the shares.

import { Profiles } from "#runtime/profile/profiles.ts";
import { NO_USAGE, type Side, type Usage } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { WARM_CALLS } from "#runtime/profile/warm-up.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import { costOf, type CostConstants, type Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import type { Capacity } from "./pool-use.ts";
import type { Situation } from "./situation.ts";

/** A core on each side, and sixteen calls in flight. */
export const ONE_CORE_EACH: Capacity = {
  computeCores: 1,
  storageCores: 1,
  redisThread: 1,
  storageMachineCores: 1,
  sharedCores: Infinity,
  nodes: 1,
  callers: 16,
  room: { compute: Infinity, storage: Infinity },
};

/** Calls of one function in a window. */
export interface Calls {
  readonly side: Side;
  readonly count: number;
  readonly elapsedUs: number;
  /** Of each call. By default all of its time is in the sandbox, and 100 µs of it are CPU time. */
  readonly usage?: Partial<Usage>;
  /** Calls besides these that fail at once. */
  readonly failing?: number;
  /** The callers ask for the side. */
  readonly isFixed?: boolean;
}

/** Calls that take `factor` times as long as the model says, because they wait in a queue. */
export function modelledCalls(
  side: Side,
  count: number,
  demand: Demand,
  constants: CostConstants,
  factor = 1,
): Required<Pick<Calls, "side" | "count" | "elapsedUs" | "usage">> {
  const { latencyUs, terms } = costOf(side, demand, constants);
  const { cpuUs, operations, rounds, bytes } = demand;
  const queueUs = (factor - 1) * latencyUs;
  const usage = { wallUs: latencyUs - terms.call + queueUs, queueUs, cpuUs, operations, rounds, bytesOut: bytes };
  return { side, count, elapsedUs: latencyUs + queueUs, usage };
}

const LONG_MS = 60_000;

const NONE: ReadonlySet<string> = new Set();

export class PlayedCalls {
  readonly profiles = new Profiles();
  nowMs = 0;

  /** Calls by function, in each window. Returns the functions that shifted. */
  run(ms: number, calls: Readonly<Record<string, Calls | readonly Calls[]>>): ReadonlySet<string> {
    const shifted = new Set<string>();
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += WINDOW_MS;
      // The calls of a window ended before it.
      for (const name of this.#play(calls, this.nowMs - 1)) shifted.add(name);
    }
    return shifted;
  }

  /** Enough calls of each kind, long ago, that their code is compiled. */
  warm(calls: Readonly<Record<string, readonly Calls[]>>): this {
    const many = Object.entries(calls).map(([name, kinds]) => [
      name,
      kinds.map((kind) => ({ ...kind, count: WARM_CALLS })),
    ]);
    this.#play(Object.fromEntries(many), this.nowMs - LONG_MS);
    return this;
  }

  /** What a step looks at now, with what a test changes. */
  situation(change: Partial<Situation> = {}): Situation {
    const { nowMs, profiles } = this;
    const played = { nowMs, heardMs: nowMs, profiles, shifted: NONE, callersGrown: 1, rules: new Map() };
    return { ...played, constants: DEFAULT_CONSTANTS, capacity: ONE_CORE_EACH, ...change };
  }

  #play(calls: Readonly<Record<string, Calls | readonly Calls[]>>, heardMs: number): readonly string[] {
    const tally = new SampleTally();
    for (const [name, kinds] of Object.entries(calls)) for (const kind of [kinds].flat()) record(tally, name, kind);
    return this.profiles.fold(tally.take().tallies, heardMs, WINDOW_MS);
  }
}

function record(
  tally: SampleTally,
  name: string,
  { side, count, elapsedUs, usage, failing = 0, isFixed = false }: Calls,
): void {
  const of = { ...NO_USAGE, function: name, version: "1", side, isFixed };
  const sample = { ...of, outcome: "ok", wallUs: elapsedUs, cpuUs: 100, ...usage };
  for (let call = 0; call < count; call++) tally.record(sample, elapsedUs);
  for (let call = 0; call < failing; call++) tally.record({ ...of, outcome: "FUNCTION_FAILED", cpuUs: 1 }, 10);
}
