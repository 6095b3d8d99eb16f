// What a call makes a node work itself: the gateway, sockets, the client that passes it on, collecting garbage. A calibration sees little of
// it, since it depends on what calls are and on who sends them, and since it runs when the node has just started and its code is
// hardly compiled: on one machine it found 45 µs where a call took 8 a second later. So it is learnt from each window of a node: what
// it has worked is the sum over its calls and of what no call makes, and as the plan and its trials change where calls run, and calls come and go,
// these come apart. A Kalman filter of three numbers (Kalman, 1960): each window weighs as much as it can tell.

import { clamp } from "#runtime/clamp.ts";
import { decayOf } from "#runtime/decay.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { CostConstants } from "./cost-model.ts";

/** What is learnt: what a call on either side makes a node work itself, its sandbox hosts apart, µs, and what it works without any, µs in each ms. */
type Learnt = readonly [compute: number, storage: number, other: number];

export interface NodeWork {
  readonly us: Learnt;
  /** What they were taken for before any window told. */
  readonly usual: Learnt;
  /** Variances, and covariances, row by row. */
  readonly doubt: readonly Learnt[];
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
/** What a node works without any call, and how far that may be from it: a tenth of a core. Chosen. */
const OTHER_US = 30;
const OTHER_DOUBT_US = 100;
/** What is believed of that goes back to what is usual, by half in this time, as far as nothing tells of it: what is compiled is compiled. Chosen. */
const OTHER_HALF_LIFE_MS = 250;
/** How far one window's may be from that, and the part of its work that one window may be wrong by. Chosen: code is compiled, garbage is collected. */
const ODD_OTHER_US = 100;
const ODD = 0.2;
/** What is further off than so many standard deviations says no more than that. */
const FAR = 2;
/** No node spends more on a call's way than this, µs; what is beyond is somebody else's work. */
const US_MAX = 500;
/** Of what is usual a call takes so much at least. */
const LEAST = 0.05;

export function usualWork({ compute, storage }: CostConstants): NodeWork {
  const usual: Learnt = [compute.nodeCallUs, storage.nodeCallUs, OTHER_US];
  return { us: usual, usual, doubt: doubtOf(usual, DOUBT) };
}

const doubtOf = ([compute, storage]: Learnt, part: number): readonly Learnt[] => {
  const [ofCompute, ofStorage] = [part * compute, part * storage];
  const both = ALIKE * ofCompute * ofStorage;
  return [
    [ofCompute ** 2, both, 0],
    [both, ofStorage ** 2, 0],
    [0, 0, (part * OTHER_DOUBT_US) ** 2],
  ];
};

/** Constants that were measured since change what is usual, and not what has been learnt; how well that is known is open again. */
export const recalibrated = ({ us }: NodeWork, constants: CostConstants): NodeWork => ({ ...usualWork(constants), us });

/** What is believed of what it has worked, µs. */
export const believedUs = ({ us }: NodeWork, { windowMs, calls }: Worked): number =>
  dot(us, [calls.compute, calls.storage, windowMs]);

/** As believed after a window. */
export function learnt(work: NodeWork, worked: Worked): NodeWork {
  const { windowMs, passedMs, us, calls } = worked;
  if (!(calls.compute + calls.storage > 0) || !(windowMs > 0)) return work;
  const heard = otherPart(work, worked);
  const believed = rested(work, (1 - heard) * passedMs);
  const doubt = grown(work, passedMs);
  // What is not known of each, as it is seen in the sum over this window.
  const told: Learnt = [calls.compute, calls.storage, heard * windowMs];
  const seen = mapped((row) => dot(doubt[row]!, told));
  const variance = dot(seen, told) + (ODD_OTHER_US * windowMs) ** 2 + (ODD * us) ** 2;
  // Of next to nothing that next to no time brings: the arithmetic has no room for it.
  if (!(variance > 0)) return work;
  const far = FAR * Math.sqrt(variance);
  const missing = clamp(us - believedUs({ ...work, us: believed }, worked), -far, far);
  const [compute, storage] = work.usual;
  const least: Learnt = [LEAST * compute, LEAST * storage, 0];
  const most: Learnt = [compute + US_MAX, storage + US_MAX, 1e3];
  return {
    us: mapped((at) => clamp(believed[at]! + (seen[at]! / variance) * missing, least[at]!, most[at]!)),
    usual: work.usual,
    doubt: possible(doubt.map((row, at) => mapped((to) => row[to]! - (seen[at]! * seen[to]!) / variance))),
  };
}

/** After so long in which nothing told of what no call makes. */
function rested({ us: [compute, storage, other], usual }: NodeWork, untoldMs: number): Learnt {
  const left = decayOf(untoldMs, OTHER_HALF_LIFE_MS);
  return [compute, storage, usual[2] + (other - usual[2]) * left];
}

/**
 * How much of a window's work no call can have made, 0 to 1, if none takes more than two standard deviations above what is usual. Where calls may have
 * made all of it nothing tells what else there was: a core that is full is as busy when it is slowed and does less, which looks as if calls cost nothing.
 */
function otherPart({ usual: [compute, storage] }: NodeWork, { us, calls }: Worked): number {
  const ofCalls = (1 + 2 * DOUBT) * (compute * calls.compute + storage * calls.storage);
  return us > ofCalls ? 1 - ofCalls / us : 0;
}

const mapped = (of: (at: number) => number): Learnt => [of(0), of(1), of(2)];

const dot = (one: Learnt, other: Learnt): number => one[0] * other[0] + one[1] * other[1] + one[2] * other[2];

/** With time, to what it was at first at most, or to as much of what is believed now. */
function grown({ doubt, usual, us }: NodeWork, passedMs: number): readonly Learnt[] {
  const size = mapped((at) => Math.max(usual[at]!, us[at]!));
  const most = doubtOf(size, DOUBT);
  const more = doubtOf(size, DRIFT * Math.sqrt(Math.max(0, passedMs) / 1e3));
  return possible(doubt.map((row, at) => mapped((to) => Math.min(most[at]![to]!, row[to]! + more[at]![to]!))));
}

/** As variances are, whatever is lost in the arithmetic of many calls: windows come from whoever may write them. */
function possible(doubt: readonly Learnt[]): readonly Learnt[] {
  const deviations = mapped((at) => Math.sqrt(Math.max(0, doubt[at]![at]!)));
  return doubt.map((row, at) =>
    mapped((to) => {
      const most = deviations[at]! * deviations[to]!;
      return at === to ? most : clamp(row[to]!, -most, most);
    }),
  );
}

/** That a node keeps busy without any call. */
export const otherCores = ({ us: [, , otherUs] }: NodeWork): number => otherUs / 1e3;

/** What is believed takes the place of what was calibrated. */
export function withWork(constants: CostConstants, { us: [ofCompute, ofStorage] }: NodeWork): CostConstants {
  const { compute, storage } = constants;
  return {
    compute: {
      ...compute,
      callUs: Math.max(0, compute.callUs - compute.nodeCallUs) + ofCompute,
      nodeCallUs: ofCompute,
    },
    storage: { ...storage, nodeCallUs: ofStorage },
  };
}
