// What a call makes a node work beside what is known of it: the gateway, the client's part of the socket, collecting garbage. No
// calibration sees it, since it depends on what calls are and on who sends them. So what nodes have worked themselves, their sandbox hosts
// apart, is held against what the model says of the same calls, window by window, and the difference is laid on each call, wherever it runs. While there
// are calls that no node has passed on (LOCUS.CALL) nobody knows whose work was whose.

import { clamp } from "#runtime/clamp.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { CostConstants } from "./cost-model.ts";

/** A window counts half as much after this time: its CPU time is not that of its calls to the µs. Chosen. */
const HALF_LIFE_MS = 250;
/** No node spends more on a call's way than this, µs; what is beyond is somebody else's work. */
const MORE_US_MAX = 500;
/** What is left of a constant, at least. */
const LEAST = 0.2;

/** What nodes have worked lately, and for how many calls that ran on either side; what is older counts less. */
export interface NodeWork extends Readonly<Record<Side, number>> {
  readonly us: number;
  readonly atMs: number;
}

export const NO_WORK: NodeWork = { us: 0, compute: 0, storage: 0, atMs: -Infinity };

/** Together with a window's. */
export function workSince(before: NodeWork, window: NodeWork): NodeWork {
  const kept = 2 ** (Math.min(0, before.atMs - window.atMs) / HALF_LIFE_MS);
  return {
    us: kept * before.us + window.us,
    compute: kept * before.compute + window.compute,
    storage: kept * before.storage + window.storage,
    atMs: window.atMs,
  };
}

/** With what nodes have worked for each call beyond what the model says. */
export function refined(constants: CostConstants, work: NodeWork): CostConstants {
  const { compute, storage } = constants;
  const moreUs = moreUsOf(constants, work);
  return {
    compute: { ...compute, callUs: compute.callUs + moreUs },
    storage: { ...storage, nodeCallUs: storage.nodeCallUs + moreUs },
  };
}

function moreUsOf({ compute: { callUs }, storage: { nodeCallUs } }: CostConstants, work: NodeWork): number {
  const calls = work.compute + work.storage;
  if (calls <= 0) return 0;
  const leastUs = (LEAST - 1) * Math.min(callUs, nodeCallUs);
  return clamp((work.us - work.compute * callUs - work.storage * nodeCallUs) / calls, leastUs, MORE_US_MAX);
}
