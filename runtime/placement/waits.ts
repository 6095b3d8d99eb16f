// How long callers really wait for what their calls move, to what the constants say. A calibration measures that in a few tens of milliseconds, and what a
// core takes to wake up, or a network to answer, is other a minute later. Calls that come one at a time tell: what one takes in the sandbox beside
// computing is waking its isolate up, its operations, its rounds and its bytes. So of each side the waits of all its functions together are held against
// the model's, and a function that has never been there is predicted by how long the others wait.

import { decayOf } from "#runtime/decay.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { type Tally, termOf } from "#runtime/profile/tally.ts";
import { sentBy } from "./calls-work.ts";
import { sandboxUsOf, type CostConstants } from "./cost-model.ts";

/** Of calls on one side, lately: what is older counts less. */
interface Waited {
  /** Of the logarithm of what was waited for, to what the constants say, each weighted by the latter. */
  readonly log: number;
  /** µs of that. */
  readonly weightUs: number;
}

export interface Waits extends Readonly<Record<Side, Waited>> {
  /** When the last of these calls were heard of. */
  readonly atMs: number;
}

const NOTHING: Waited = { log: 0, weightUs: 0 };

export const NO_WAITS: Waits = { compute: NOTHING, storage: NOTHING, atMs: -Infinity };

/** A wait counts half as much after this time. Chosen: cores of a virtual machine are slowed for seconds at a time. */
const HALF_LIFE_MS = 10_000;
/** So much waiting tells as much as the calibration did: about what it waits for with each kind of run. */
const CALIBRATED_US = 5_000;
/** One window says no more of a side than this, whatever calls it has. Chosen: a fifth of the calibration. */
const WINDOW_US_MAX = 1_000;
/** What is longer, or shorter, is no wait for what calls move: a timer of theirs, a slow command, a machine that stood still. Chosen: calibrations beside other work had waits up to 2.5 times too long. */
export const WAIT_TIMES_MAX = 4;
/** With more calls at once, on the mean, they wait for each other. */
const AT_ONCE_MAX = 1;
/** … and nodes may count so many in flight, of whatever kind: one, at moments two. */
const IN_FLIGHT_MAX = 1.5;
/** A side that is planned to have a smaller part of its function's calls is visited: those find caches cold, and say nothing of calls in use. Chosen, as where CPU times are compared (runtime/profile/warm-up.ts). */
const PART_MIN = 0.4;

/** What one window has told, and what there was beside it. */
export interface ToldWaits {
  readonly tallies: readonly Tally[];
  /** How long it was. */
  readonly windowMs: number;
  /** In flight, of all nodes, averaged. */
  readonly inFlight: number;
  /** Where the plan has a function's calls. */
  readonly shareOf: (name: string) => number;
}

/** With what one window has told. Nothing of it where calls were together, or some failed: how long these were at work nobody knows. `constants`: as calibrated. */
export function waitsWith(
  before: Waits,
  { tallies, windowMs, inFlight, shareOf }: ToldWaits,
  constants: CostConstants,
  nowMs: number,
): Waits {
  if (inFlight > IN_FLIGHT_MAX) return before;
  let tookUs = 0;
  for (const { sums } of tallies) {
    if (termOf(sums, "untold") > 0) return before;
    tookUs += termOf(sums, "serviceUs") + termOf(sums, "queueUs");
  }
  if (!(tookUs > 0) || tookUs > AT_ONCE_MAX * 1e3 * windowMs) return before;
  const told: Record<Side, { log: number; weightUs: number }> = {
    compute: { log: 0, weightUs: 0 },
    storage: { log: 0, weightUs: 0 },
  };
  for (const tally of tallies) {
    const { function: name, side, sums } = tally;
    const [calls, cpuUs] = [termOf(sums, "calls"), termOf(sums, "cpuUs")];
    const part = side === "storage" ? shareOf(name) : 1 - shareOf(name);
    // Whose callers ask for a side it does not visit that one.
    if (calls <= 0 || (part < PART_MIN && termOf(sums, "fixed") < calls)) continue;
    const modelled = modelledUs(tally, calls, constants);
    const times = (termOf(sums, "serviceUs") - cpuUs) / modelled;
    // What interrupts those that mostly compute is longer than what they wait for.
    if (!(cpuUs <= modelled) || !(times <= WAIT_TIMES_MAX) || !(times >= 1 / WAIT_TIMES_MAX)) continue;
    told[side].log += Math.log(times) * modelled;
    told[side].weightUs += modelled;
  }
  if (told.compute.weightUs <= 0 && told.storage.weightUs <= 0) return before;
  const kept = decayOf(nowMs - before.atMs, HALF_LIFE_MS);
  const added = (side: Side): Waited => {
    const part = Math.min(1, WINDOW_US_MAX / Math.max(1, told[side].weightUs));
    return {
      log: kept * before[side].log + part * told[side].log,
      weightUs: kept * before[side].weightUs + part * told[side].weightUs,
    };
  };
  return { compute: added("compute"), storage: added("storage"), atMs: nowMs };
}

/** Of all these calls together. */
function modelledUs(tally: Tally, calls: number, constants: CostConstants): number {
  const { side } = tally;
  const ofOne = sandboxUsOf(side, { ...sentBy(tally), cpuUs: 0 }, constants, 1);
  return ofOne + (calls - 1) * constants[side].enterUs;
}

/** The constants with what is waited for as long as it is by now; as they are where nothing has told of it for long. */
export function withWaits(constants: CostConstants, waits: Waits, nowMs: number): CostConstants {
  const known = decayOf(nowMs - waits.atMs, HALF_LIFE_MS);
  const timesOf = (side: Side): number =>
    Math.exp((known * waits[side].log) / (known * waits[side].weightUs + CALIBRATED_US));
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
