// An instance whose CPU quota follows what it uses, as its driver (quota-driver.ts) keeps it, and what a look at it comes to.

import type { LocusError } from "#runtime/errors.ts";
import type { InstanceUse } from "../driver/driver.ts";
import type { Sample } from "./reallocation.ts";

/** Of the time between two looks: less is the kernel's own unevenness. Chosen. */
const THROTTLED_MIN = 0.02;
/** Of a quota: where nobody counts how long it was held back, using so much of it is taken for that. Chosen. */
const FULL = 0.95;

export interface FollowedInstance {
  readonly id: string;
  readonly function: string;
  /** Its own. */
  limit: number;
  /** The driver knows of it: before that its start waits for room. */
  isTold: boolean;
  inFlight: number;
  /** Since the last look. */
  callsMost: number;
  lastLook: { readonly use: InstanceUse; readonly atMs: number } | null;
  /** CPUs, between the last two looks. */
  used: number;
  /** What the driver was told last; while it is being told, the greater of both; before it is told anything, what is granted. */
  reserved: number;
  /** Its start, or a change. */
  telling: Promise<void> | null;
  /** Rings when it has had no call for a while. */
  restTimer: NodeJS.Timeout | null;
  /** Why its start was given up while it waited for room; null: it was not. */
  abandoned: LocusError | null;
  /** Resolves when it is followed no more. */
  readonly forgotten: PromiseWithResolvers<void>;
}

/** Of what it has used since it was started, as it was looked at just now. null: this was the first look. */
export function sampleOf(one: FollowedInstance, use: InstanceUse, nowMs: number): Sample | null {
  const { id, lastLook, callsMost } = one;
  one.lastLook = { use, atMs: nowMs };
  one.callsMost = one.inFlight;
  const elapsedUs = (nowMs - (lastLook?.atMs ?? nowMs)) * 1e3;
  if (lastLook === null || elapsedUs <= 0) return null;
  one.used = Math.max(0, use.cpuUs - lastLook.use.cpuUs) / elapsedUs;
  const throttled =
    use.throttledUs === undefined ? null : (use.throttledUs - (lastLook.use.throttledUs ?? 0)) / elapsedUs;
  const isHeldBack = throttled === null ? one.used >= FULL * one.reserved : throttled > THROTTLED_MIN;
  return { id, used: one.used, calls: callsMost, lacked: isHeldBack ? Infinity : null };
}
