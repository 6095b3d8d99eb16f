// Between two steps: whether what has come all at once since the last one would fill a pool. Whoever makes steps seldom, since many functions are called, makes the next one
// at once then (compute/placement/placement-loop.ts). Costs as much as a step does for the functions that surge, and for no others.

import { calledFunction } from "./called-function.ts";
import type { Step } from "./controller.ts";
import { COMFORTABLE_UTILISATION, outlookOf } from "./optimal-shares.ts";
import { POOLS, poolUse, type Load, type Offered } from "./pool-use.ts";
import type { Situation } from "./situation.ts";

/** Of functions that surge the first so many are weighed, 0.6 ms at most. Where more do they are many together, or the next step sees them in its time. Chosen. */
const WEIGHED_MAX = 64;
/** Of a pool they take so much more, at least: for less nothing is moved (docs/placement.md, *What a move has to gain*). Among a thousand functions one surges in every second by chance. */
const MORE_MIN = 0.05;

/** `surging`: names of functions of which many more calls come than usual. Beside what all did at the last step. */
export function fillsPool(surging: readonly string[], { state, unheld }: Step, situation: Situation): boolean {
  const loads: Load[] = [];
  const shares: number[] = [];
  // One that is called on both sides is told twice.
  for (const name of new Set(surging.slice(0, WEIGHED_MAX))) {
    const [rules, before] = [situation.rules.get(name), state.get(name)];
    const called = rules && before ? calledFunction(name, rules, before, situation) : null;
    if (called === null || called.surging === null) continue;
    loads.push({ ...called.load, ...moreThan(called.load, called.surging) });
    shares.push(called.share);
  }
  if (loads.length === 0) return false;
  const more = outlookOf(poolUse(loads, situation.capacity), shares).utilisation;
  const pools = POOLS.filter((pool) => pool !== "callers" && more[pool] >= MORE_MIN);
  if (pools.length === 0) return false;
  const usual = outlookOf(unheld.use, unheld.shares).utilisation;
  return pools.some((pool) => usual[pool] + more[pool] > COMFORTABLE_UTILISATION);
}

const moreThan = (usual: Offered, now: Offered): Offered => ({
  callsPerSecond: Math.max(0, now.callsPerSecond - usual.callsPerSecond),
  fixedPerSecond: {
    compute: Math.max(0, now.fixedPerSecond.compute - usual.fixedPerSecond.compute),
    storage: Math.max(0, now.fixedPerSecond.storage - usual.fixedPerSecond.storage),
  },
});
