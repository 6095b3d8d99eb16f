// A played load for tests of trials: calls, and their functions as trials see them.

import type { Side } from "#runtime/profile/sample.ts";
import type { Cost } from "./cost-model.ts";
import { PlayedCalls } from "./played-calls.ts";
import { NONE_FIXED } from "./pool-use.ts";
import { NO_TRIALS, type Trials } from "./trials.ts";
import { shareAt, type Tried } from "./tried-function.ts";

export class Load extends PlayedCalls {
  static warm(): Load {
    return new Load().warm({ a: [atCompute, atStorage], b: [atCompute, atStorage] });
  }

  tried(name: string, share: number, change: Partial<Tried> = {}): Tried {
    return {
      name,
      profile: this.profiles.get(name)!,
      share,
      load: loadOf(400),
      trials: NO_TRIALS,
      sinceMs: 0,
      isFree: true,
      bounds: [0, 1],
      isWarm: { compute: true, storage: true },
      ...change,
    };
  }
}

const costAt = (side: Side, busyUs: number, crowd = 0): Cost => ({
  latencyUs: busyUs + crowd,
  aloneUs: busyUs,
  terms: { call: 0, enter: 0, cpu: busyUs, operations: 0, rounds: 0, bytes: 0, crowd },
  computeUs: side === "compute" ? busyUs : 0,
  storageUs: side === "storage" ? busyUs : 0,
  redisUs: 0,
});

/** The same on either side: the model sees no difference. */
export const loadOf = (callsPerSecond: number, busyUs = 2_000, crowd = 0) => ({
  callsPerSecond,
  fixedPerSecond: NONE_FIXED,
  costs: { compute: costAt("compute", busyUs, crowd), storage: costAt("storage", busyUs, crowd) },
  lowest: 0,
  highest: 1,
  weight: 1,
});

export const running = (side: Side, startedMs: number, partner: string | null = null): Trials => ({
  ...NO_TRIALS,
  running: { side, partner, startedMs, fromShare: 1 - shareAt(side) },
});

export const atCompute = { side: "compute", count: 40, elapsedUs: 4_000 } as const;
export const atStorage = { side: "storage", count: 40, elapsedUs: 4_000 } as const;
