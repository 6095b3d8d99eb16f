// How long callers really wait for what their calls move, to what the constants say. A calibration measures that in a few tens of milliseconds, and what a
// core takes to wake up, or a network to answer, is other a minute later. Calls that come one at a time tell: what one takes in the sandbox beside
// computing is waking its isolate up, its operations, its rounds and its bytes; what its caller waits beside that is its way to the sandbox and back. So of each side the
// waits of all its functions together are held against the model's, and a function that has never been there is predicted by how long the others wait.
//
// What is beside the sandbox is what the node sees between admitting a call and answering it, less what the sandbox took: checking its arguments, looking its function up, choosing a side, waking
// the node's thread up, and at storage a connection, the network, Redis' thread, writing the options and reading the answer, which are JSON. HTTP and what a gateway reads of it are before and
// after that, schemas are checked in the sandbox, and waiting for an instance counts as a queue. Of calls that came straight to Redis nobody sees what their callers waited: no tally of theirs
// may be told here.

import { decayOf } from "#runtime/decay.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { callUsOf, type Tally, termOf } from "#runtime/profile/tally.ts";
import { sentBy } from "./calls-work.ts";
import { sandboxUsOf, type CostConstants } from "./cost-model.ts";

/** Of calls on one side, lately: what is older counts less. */
interface Waited {
  /** Of the logarithm of what was waited for, to what the constants say, each weighted by the latter. */
  readonly log: number;
  /** µs of that. */
  readonly weightUs: number;
}

interface SideWaits {
  /** In the sandbox, beside computing. */
  readonly sandbox: Waited;
  /** Beside the sandbox. */
  readonly call: Waited;
}

export interface Waits extends Readonly<Record<Side, SideWaits>> {
  /** When the last of these calls were heard of. */
  readonly atMs: number;
}

const NOTHING: Waited = { log: 0, weightUs: 0 };
const NOTHING_ON_SIDE: SideWaits = { sandbox: NOTHING, call: NOTHING };

export const NO_WAITS: Waits = { compute: NOTHING_ON_SIDE, storage: NOTHING_ON_SIDE, atMs: -Infinity };

/** A wait counts half as much after this time. Chosen: cores of a virtual machine are slowed for seconds at a time. */
const HALF_LIFE_MS = 10_000;
/** So much waiting tells as much as the calibration did: about what it waits for with each kind of run. */
const CALIBRATED_US = 5_000;
/** One window says no more of a side than this, whatever calls it has. Chosen: a fifth of the calibration. */
const WINDOW_US_MAX = 1_000;
/** What is longer is no wait for what calls move: a timer of theirs, a slow command, a machine that stood still. Chosen: calibrations beside other work had waits up to 2.5 times too long. */
export const WAIT_TIMES_MAX = 4;
/** What is so many times shorter than calibrated is believed no further. All that disturbs makes waits longer, so a short one was not, and the calibration was. Chosen: beside other work, calibrations found waits up to ten times too long. */
const SHORTER_MAX = 20;
/** One call tells as much of what is beside the sandbox as so much waiting, whatever it waits: 50 of them tell as much as the calibration did, in which the one in the middle of 32 counts. Chosen. */
const CALL_WEIGHT_US = 100;
/** A node's thread may take so long for a call whatever was calibrated, which had none but one function to look up: within WAIT_TIMES_MAX of that no wait is too long. Light calls at compute had 8 to 14 µs where a calibration had found 5. */
const CALL_WAIT_MIN_US = 10;
/** With more calls in sandboxes at once, on the mean, they wait for each other. */
const AT_ONCE_MAX = 1;
/** The same of calls in nodes: of one caller who calls again at once a window has one, and what is left of the call that was under way when it began. */
const ADMITTED_AT_ONCE_MAX = 1.5;
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

/** With what one window of a node has told. Nothing of it where calls were together, or some failed: how long these were at work nobody knows. `constants`: as calibrated. */
export function waitsWith(before: Waits, told: ToldWaits, constants: CostConstants, nowMs: number): Waits {
  if (!isOfLoneCalls(told)) return before;
  const heard = { compute: new Heard(), storage: new Heard() };
  for (const tally of told.tallies) {
    const { function: name, side, sums } = tally;
    const calls = termOf(sums, "calls");
    const part = side === "storage" ? told.shareOf(name) : 1 - told.shareOf(name);
    // Whose callers ask for a side it does not visit that one.
    if (calls > 0 && (part >= PART_MIN || termOf(sums, "fixed") >= calls)) heard[side].add(tally, calls, constants);
  }
  if (heard.compute.isNothing && heard.storage.isNothing) return before;
  const kept = decayOf(nowMs - before.atMs, HALF_LIFE_MS);
  const withHeard = (side: Side): SideWaits => ({
    sandbox: added(before[side].sandbox, kept, heard[side].sandbox),
    call: added(before[side].call, kept, heard[side].call),
  });
  return { compute: withHeard("compute"), storage: withHeard("storage"), atMs: nowMs };
}

/** Whether no call of the window waited for another one, as far as can be told. */
function isOfLoneCalls({ tallies, windowMs, inFlight }: ToldWaits): boolean {
  if (inFlight > IN_FLIGHT_MAX) return false;
  let [tookUs, elapsedUs] = [0, 0];
  for (const { sums } of tallies) {
    if (termOf(sums, "untold") > 0) return false;
    tookUs += termOf(sums, "serviceUs") + termOf(sums, "queueUs");
    elapsedUs += termOf(sums, "elapsedUs");
  }
  const windowUs = 1e3 * windowMs;
  return tookUs > 0 && tookUs <= AT_ONCE_MAX * windowUs && elapsedUs <= ADMITTED_AT_ONCE_MAX * windowUs;
}

/** Mutable: what one window has told of a side. */
class Heard {
  readonly sandbox = { log: 0, weightUs: 0 };
  readonly call = { log: 0, weightUs: 0 };

  get isNothing(): boolean {
    return this.sandbox.weightUs <= 0 && this.call.weightUs <= 0;
  }

  add(tally: Tally, calls: number, constants: CostConstants): void {
    const { side, sums } = tally;
    const [serviceUs, cpuUs] = [termOf(sums, "serviceUs"), termOf(sums, "cpuUs")];
    const modelled = modelledUs(tally, calls, constants);
    const times = (serviceUs - cpuUs) / modelled;
    // What interrupts those that mostly compute is longer than what they wait for.
    if (cpuUs <= modelled && times <= WAIT_TIMES_MAX) {
      this.sandbox.log += logOf(times) * modelled;
      this.sandbox.weightUs += modelled;
    }
    const modelledCallUs = calls * constants[side].callWaitUs;
    const callUs = callUsOf(sums);
    const mostUs = WAIT_TIMES_MAX * Math.max(modelledCallUs, calls * CALL_WAIT_MIN_US);
    // Of none there is nothing to multiply; and while a call computes for long the node's own core falls asleep, and takes longer to wake up.
    if (modelledCallUs > 0 && callUs <= mostUs && cpuUs <= modelled + modelledCallUs) {
      const weightUs = calls * CALL_WEIGHT_US;
      this.call.log += logOf(callUs / modelledCallUs) * weightUs;
      this.call.weightUs += weightUs;
    }
  }
}

const logOf = (times: number): number => Math.log(Math.max(times, 1 / SHORTER_MAX));

function added(before: Waited, kept: number, { log, weightUs }: Waited): Waited {
  const part = Math.min(1, WINDOW_US_MAX / Math.max(1, weightUs));
  return { log: kept * before.log + part * log, weightUs: kept * before.weightUs + part * weightUs };
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
  const timesOf = ({ log, weightUs }: Waited): number => Math.exp((known * log) / (known * weightUs + CALIBRATED_US));
  const waitingLonger = (side: Side): Pick<CostConstants[Side], Waiting> => {
    const { callWaitUs, enterUs, operationWaitUs, roundWaitUs } = constants[side];
    const times = timesOf(waits[side].sandbox);
    return {
      callWaitUs: timesOf(waits[side].call) * callWaitUs,
      enterUs: times * enterUs,
      operationWaitUs: times * operationWaitUs,
      roundWaitUs: times * roundWaitUs,
    };
  };
  return {
    compute: {
      ...constants.compute,
      ...waitingLonger("compute"),
      bytesPerUs: constants.compute.bytesPerUs / timesOf(waits.compute.sandbox),
    },
    storage: { ...constants.storage, ...waitingLonger("storage") },
  };
}

type Waiting = "callWaitUs" | "enterUs" | "operationWaitUs" | "roundWaitUs";
