// How long callers really wait for what their calls move, to what the constants say. A calibration measures that in a few tens of milliseconds, and what a
// core takes to wake up, or a network to answer, is other a minute later. Calls that come one at a time tell: what one takes in the sandbox beside
// computing is waking its isolate up, its operations, its rounds and its bytes. So of each side the waits of all its functions together are held against
// the model's, and a function that has never been there is predicted by how long the others wait.

import { clamp } from "#runtime/clamp.ts";
import { decayOf } from "#runtime/decay.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { type Tally, termOf } from "#runtime/profile/tally.ts";
import { sandboxUsOf, withoutFound, type CostConstants } from "./cost-model.ts";

/** Of calls on one side, lately: what is older counts less. µs. */
interface Waited {
  readonly us: number;
  /** By the constants as they were calibrated. */
  readonly modelledUs: number;
}

export interface Waits extends Readonly<Record<Side, Waited>> {
  /** When the last of these calls were heard of. */
  readonly atMs: number;
}

const NOTHING: Waited = { us: 0, modelledUs: 0 };

export const NO_WAITS: Waits = { compute: NOTHING, storage: NOTHING, atMs: -Infinity };

/** A wait counts half as much after this time. Chosen: cores of a virtual machine are slowed for seconds at a time. */
const HALF_LIFE_MS = 10_000;
/** So much waiting tells as much as the calibration did: about what it waits for with each kind of run. */
const CALIBRATED_US = 5_000;
/** What is beyond that is no wait of calls alone. */
const TIMES_MAX = 4;
/** With more calls in the window at once, on the mean, they wait for each other. */
const AT_ONCE_MAX = 1;
/** Of calls that compute for more than this part of their time it is not known: what interrupts them is longer than what they wait for. Chosen. */
const CPU_PART_MAX = 0.5;
/** A side that has a smaller part of its function's calls is visited: those find caches cold, and say nothing of calls in use. Chosen, as where CPU times are compared (warm-up.ts). */
const PART_MIN = 0.4;

/** With what one window has told. Nothing of it where calls were together. `constants`: as calibrated. */
export function waitsWith(
  before: Waits,
  tallies: readonly Tally[],
  windowMs: number,
  constants: CostConstants,
  nowMs: number,
): Waits {
  const tookUs = tallies.reduce((sum, { sums }) => sum + termOf(sums, "serviceUs") + termOf(sums, "queueUs"), 0);
  if (!(tookUs > 0) || tookUs > AT_ONCE_MAX * 1e3 * windowMs) return before;
  const callsOf = new Map<string, number>();
  for (const { function: name, sums } of tallies) {
    callsOf.set(name, (callsOf.get(name) ?? 0) + termOf(sums, "calls"));
  }
  const told: Record<Side, { us: number; modelledUs: number }> = {
    compute: { us: 0, modelledUs: 0 },
    storage: { us: 0, modelledUs: 0 },
  };
  for (const { function: name, side, sums } of tallies) {
    const [calls, serviceUs, cpuUs] = [termOf(sums, "calls"), termOf(sums, "serviceUs"), termOf(sums, "cpuUs")];
    if (calls <= 0 || calls < PART_MIN * callsOf.get(name)! || cpuUs > CPU_PART_MAX * serviceUs) continue;
    told[side].us += serviceUs - cpuUs;
    told[side].modelledUs += modelledUs(side, sums, calls, constants);
  }
  if (told.compute.us <= 0 && told.storage.us <= 0) return before;
  const kept = decayOf(nowMs - before.atMs, HALF_LIFE_MS);
  const added = (side: Side): Waited => ({
    us: kept * before[side].us + told[side].us,
    modelledUs: kept * before[side].modelledUs + told[side].modelledUs,
  });
  return { compute: added("compute"), storage: added("storage"), atMs: nowMs };
}

/** Of all these calls together. */
function modelledUs(side: Side, sums: Tally["sums"], calls: number, constants: CostConstants): number {
  const ofCall = (term: Parameters<typeof termOf>[1]): number => termOf(sums, term) / calls;
  const moved = { operations: ofCall("operations"), rounds: ofCall("rounds"), bytes: ofCall("bytes") };
  const found = { operations: ofCall("foundOperations"), rounds: ofCall("foundRounds") };
  const sent = side === "storage" ? withoutFound(moved, found) : moved;
  return calls * sandboxUsOf(side, { ...sent, cpuUs: 0 }, constants, 1);
}

/** The constants with what is waited for as long as it is by now; as they are where nothing has told of it for long. */
export function withWaits(constants: CostConstants, waits: Waits, nowMs: number): CostConstants {
  const known = decayOf(nowMs - waits.atMs, HALF_LIFE_MS);
  const timesOf = (side: Side): number => {
    const { us, modelledUs } = waits[side];
    const times = (known * us + CALIBRATED_US) / (known * modelledUs + CALIBRATED_US);
    return clamp(times, 1 / TIMES_MAX, TIMES_MAX);
  };
  const [compute, storage] = [timesOf("compute"), timesOf("storage")];
  return {
    compute: {
      ...constants.compute,
      ...waitingLonger(constants.compute, compute),
      bytesPerUs: constants.compute.bytesPerUs / compute,
    },
    storage: { ...constants.storage, ...waitingLonger(constants.storage, storage) },
  };
}

type Waiting = "enterUs" | "operationWaitUs" | "roundWaitUs";

const waitingLonger = (
  { enterUs, operationWaitUs, roundWaitUs }: Pick<CostConstants[Side], Waiting>,
  times: number,
): Pick<CostConstants[Side], Waiting> => ({
  enterUs: times * enterUs,
  operationWaitUs: times * operationWaitUs,
  roundWaitUs: times * roundWaitUs,
});
