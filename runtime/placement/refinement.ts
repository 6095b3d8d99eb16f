// What a call makes a node work itself: the gateway, sockets, the client that passes it on, collecting garbage. A calibration sees little of
// it, since it depends on what calls are and on who sends them, and since it runs when the node has just started and its code is
// hardly compiled: on one machine it found 45 µs where a call took 8 a second later. So it is learnt from each window of a node: what
// it has worked is the sum over its calls, and as the plan and its trials change where calls run, what either side's cost comes apart. A Kalman filter of two
// numbers (Kalman, 1960): each window weighs as much as it can tell beside the work that no call has made (compiling, collecting, others').

import { clamp } from "#runtime/clamp.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { CostConstants } from "./cost-model.ts";

/** What a call at either side makes a node work itself, its sandbox hosts apart, µs, and how well that is known. */
export interface NodeWork extends Readonly<Record<Side, number>> {
  /** Variance of each, and covariance of both, µs². */
  readonly doubt: { readonly compute: number; readonly both: number; readonly storage: number };
  /** What they were taken for before any window told. */
  readonly usual: Readonly<Record<Side, number>>;
}

/** Of one window of one node. */
export interface Worked {
  readonly windowMs: number;
  /** Since the last window of any node. */
  readonly passedMs: number;
  /** CPU time of the node itself. */
  readonly us: number;
  /** That ended in it, those that failed included. */
  readonly calls: Readonly<Record<Side, number>>;
}

/** Standard deviation of what is taken for usual, as a part of it. Chosen: calibrations of a node that has just started were wrong by as much. */
const DOUBT = 1;
/** What makes calls dearer on one side (larger arguments, another gateway) mostly does so on both. Chosen. */
const ALIKE = 0.5;
/** What calls are changes: in a second by so much of it, as a standard deviation. Chosen; a change is followed within a few windows where calls are many. */
const DRIFT = 0.5;
/** Cores that a node keeps busy without any call, now and then, and the part of its work that one window may be wrong by. Chosen. */
const OTHER_CORES = 0.1;
const ODD = 0.2;
/** What is further off than so many standard deviations says no more than that. */
const FAR = 2;
/** No node spends more on a call's way than this, µs; what is beyond is somebody else's work. */
const US_MAX = 500;
/** Of what is usual a call takes so much at least. */
const LEAST = 0.05;

export function usualWork({ compute, storage }: CostConstants): NodeWork {
  const usual = { compute: compute.nodeCallUs, storage: storage.nodeCallUs };
  return { ...usual, usual, doubt: doubtOf(usual, DOUBT) };
}

const doubtOf = ({ compute, storage }: NodeWork["usual"], part: number): NodeWork["doubt"] => ({
  compute: (part * compute) ** 2,
  both: ALIKE * part ** 2 * compute * storage,
  storage: (part * storage) ** 2,
});

/** As believed after a window. */
export function learnt(work: NodeWork, { windowMs, passedMs, us, calls }: Worked): NodeWork {
  if (!(calls.compute + calls.storage > 0) || !(windowMs > 0)) return work;
  const { usual } = work;
  const doubt = grown(work, passedMs);
  // What is not known, of each side's and of the sum over these calls.
  const ofCompute = calls.compute * doubt.compute + calls.storage * doubt.both;
  const ofStorage = calls.compute * doubt.both + calls.storage * doubt.storage;
  const noise = (OTHER_CORES * 1e3 * windowMs) ** 2 + (ODD * us) ** 2;
  const variance = calls.compute * ofCompute + calls.storage * ofStorage + noise;
  const far = FAR * Math.sqrt(variance);
  const missing = clamp(us - calls.compute * work.compute - calls.storage * work.storage, -far, far);
  const next = (side: Side, gain: number): number =>
    clamp(work[side] + gain * missing, LEAST * usual[side], usual[side] + US_MAX);
  return {
    compute: next("compute", ofCompute / variance),
    storage: next("storage", ofStorage / variance),
    usual,
    doubt: possible({
      compute: doubt.compute - ofCompute ** 2 / variance,
      both: doubt.both - (ofCompute * ofStorage) / variance,
      storage: doubt.storage - ofStorage ** 2 / variance,
    }),
  };
}

/** As variances are, whatever is lost in the arithmetic of many calls: they come from whoever may write windows. */
function possible({ compute, both, storage }: NodeWork["doubt"]): NodeWork["doubt"] {
  const [ofCompute, ofStorage] = [Math.max(0, compute), Math.max(0, storage)];
  const bothMax = Math.sqrt(ofCompute * ofStorage);
  return { compute: ofCompute, both: clamp(both, -bothMax, bothMax), storage: ofStorage };
}

/** With time, to what it was at first at most, or to as much of what is believed now. */
function grown({ doubt, usual, ...now }: NodeWork, passedMs: number): NodeWork["doubt"] {
  const size = { compute: Math.max(usual.compute, now.compute), storage: Math.max(usual.storage, now.storage) };
  const most = doubtOf(size, DOUBT);
  const more = doubtOf(size, DRIFT * Math.sqrt(Math.max(0, passedMs) / 1e3));
  return possible({
    compute: Math.min(most.compute, doubt.compute + more.compute),
    both: doubt.both + more.both,
    storage: Math.min(most.storage, doubt.storage + more.storage),
  });
}

/** What is believed takes the place of what was calibrated. */
export function withWork(constants: CostConstants, work: NodeWork): CostConstants {
  const { compute, storage } = constants;
  return {
    compute: { ...compute, callUs: compute.callUs - compute.nodeCallUs + work.compute, nodeCallUs: work.compute },
    storage: { ...storage, nodeCallUs: work.storage },
  };
}
