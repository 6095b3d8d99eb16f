// A played load for tests of trials: calls, and their functions as trials see them.

import type { Side, Usage } from "#runtime/profile/sample.ts";
import type { Cost } from "./cost-model.ts";
import { isHeld, isHoldBroken } from "./held-function.ts";
import { PlayedCalls, type Calls } from "./played-calls.ts";
import { NONE_FIXED } from "./pool-use.ts";
import { NO_TRIALS, type Trials } from "./trials.ts";
import { shareAt, type Tried } from "./tried-function.ts";

export class Load extends PlayedCalls {
  static warm(): Load {
    return new Load().warm({ a: [atCompute, atStorage], b: [atCompute, atStorage] });
  }

  /** Walks at compute, light and heavy ones, for long enough that how much work they are is known; and then of the usual work. */
  static ofWalks(of: Partial<Usage> = {}): Load {
    const load = new Load().warm({ a: [walks("compute", 1, 1), walks("storage", 1, 1)] });
    for (let pair = 0; pair < 16; pair++)
      load.run(25, { a: walks("compute", 8, 0.5, 1, of) }).run(25, { a: walks("compute", 2, 2, 1, of) });
    return load.run(300, { a: walks("compute", 40, 1, 1, of) });
  }

  tried(name: string, share: number, change: Partial<Tried> = {}): Tried {
    return {
      name,
      profile: this.profiles.get(name)!,
      share,
      load: loadOf(400),
      error: 0.05,
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

/** The same on either side, so that the model sees no difference, but for what is said of storage. */
export const loadOf = (callsPerSecond: number, busyUs = 2_000, crowd = 0, atStorage: Partial<Cost> = {}) => ({
  callsPerSecond,
  fixedPerSecond: NONE_FIXED,
  costs: {
    compute: costAt("compute", busyUs, crowd),
    storage: { ...costAt("storage", busyUs, crowd), ...atStorage },
  },
  lowest: 0,
  highest: 1,
  weight: 1,
});

export const running = (side: Side, startedMs: number, partner: string | null = null): Trials => ({
  ...NO_TRIALS,
  running: { side, partner, startedMs, fromShare: 1 - shareAt(side), shown: null },
});

/** So many walks, each so many times the usual work, and longer by as much again as everything is slowed. `of`: each has, whatever its work is. */
export function walks(side: Side, count: number, work: number, slowed = 1, of: Partial<Usage> = {}): Calls {
  const usage = { cpuUs: 1_000 * work, bytesIn: 10_000 * work, ...of };
  return { side, count, elapsedUs: 4_000 * work * slowed, usage };
}

export const atCompute = { side: "compute", count: 40, elapsedUs: 4_000 } as const;
export const atStorage = { side: "storage", count: 40, elapsedUs: 4_000 } as const;

/** As a step has it where nothing else is held. */
export const isHeldAlone: typeof isHeld = (profile, of, nowMs) =>
  isHeld(profile, of, nowMs) && !isHoldBroken({ profile, trials: of.trials }, nowMs);
