// The plan: the value that comes down from placement. For each function, which part of its calls runs at storage.

import type { Side } from "#runtime/profile/sample.ts";

export const PLACEMENT_STATES = ["profiling", "compute", "storage", "split", "probing", "pinned"] as const;

export type PlacementState = (typeof PLACEMENT_STATES)[number];

/** 32 bits in the module. */
export const PROBE_EVERY_MAX = 2 ** 32 - 1;

/** The longest deadline, five minutes, in µs. */
export const BACK_CPU_US_MAX = 300e6;

/** No node or module has so many calls. */
export const OVERFLOW_MAX = 1e6;

/** Of one function. */
export interface Placement {
  readonly state: PlacementState;
  /** Of its calls, at storage: 0 to 1. */
  readonly share: number;
  /** One call in so many visits the other side, so that the profile there stays true; 0: none does. */
  readonly probeEvery: number;
  /** A call that has computed at storage for this long, µs, and has only read, runs at compute instead; 0: never. */
  readonly backCpuUs: number;
  /**
   * A call leaves its side while at least `overflowMin` calls that may leave are in flight there, and
   * `overflowTimes` as many as calls of any kind on the other side. `overflowMin` 0: none leaves.
   */
  readonly overflowMin: number;
  readonly overflowTimes: number;
  /** Only during a trial: the share before it, to which a new controller returns. */
  readonly fromShare?: number;
}

/** The side of at least half of the calls. */
export const homeOf = ({ share }: Pick<Placement, "share">): Side => (share >= 0.5 ? "storage" : "compute");

/** What is done with the function's calls, without what else is kept of it. */
export const placeOf = (placement: Placement): Placement => {
  const { state, share, probeEvery, backCpuUs, overflowMin, overflowTimes } = placement;
  return { state, share, probeEvery, backCpuUs, overflowMin, overflowTimes };
};

/** Whether followers would do the same. */
export const isSamePlacement = (one: Placement | undefined, other: Placement): boolean =>
  one !== undefined &&
  one.fromShare === other.fromShare &&
  Object.entries(placeOf(other)).every(([field, value]) => one[field as keyof Placement] === value);

export interface Plan {
  /** Orders plans, whoever made them (`isLaterPlan`); 0: no plan. */
  readonly version: number;
  readonly placements: ReadonlyMap<string, Placement>;
}

export const NO_PLAN: Plan = { version: 0, placements: new Map() };

/** Integers that JavaScript holds exactly. */
const VERSIONS = Number.MAX_SAFE_INTEGER + 1;
/** Plans of one controller: one every 25 ms for four days. */
const PLANS_OF_A_REIGN_MAX = 2 ** 24;
const REIGNS = VERSIONS / PLANS_OF_A_REIGN_MAX;

/** The `count`th plan of a controller, from 0. A controller that was paused and succeeded writes plans that nobody follows. */
export const planVersion = (reign: number, count: number): number => reign * PLANS_OF_A_REIGN_MAX + count;

/** A reign whose plans are later than all of the reign of this version. */
export const nextReign = (version: number): number => (Math.floor(version / PLANS_OF_A_REIGN_MAX) + 1) % REIGNS || 1;

/**
 * Serial number arithmetic (RFC 1982): versions wrap around, and one is later than the half of them behind it.
 * So no version is the last one, not even an absurd version that somebody wrote.
 */
export function isLaterPlan(version: number, than: number): boolean {
  if (version === 0 || than === 0) return version > than;
  const ahead = version - than;
  return (ahead < 0 ? ahead + VERSIONS : ahead) < VERSIONS / 2 && ahead !== 0;
}
