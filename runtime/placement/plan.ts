// The value that comes down from placement: for each function which part of its calls runs at storage.

import type { Side } from "#runtime/profile/sample.ts";

export const PLACEMENT_STATES = ["profiling", "compute", "storage", "split", "probing", "reverting", "pinned"] as const;

export type PlacementState = (typeof PLACEMENT_STATES)[number];

/** What `probeEvery` may be: 32 bits in the module. */
export const PROBE_EVERY_MAX = 2 ** 32 - 1;

/** What `backCpuUs` may be: no call computes for longer than the longest deadline, five minutes. */
export const BACK_CPU_US_MAX = 300e6;

/** What `overflowMin` and `overflowTimes` may be: no node or module has so many calls. */
export const OVERFLOW_MAX = 1e6;

/** Of one function. */
export interface Placement {
  readonly state: PlacementState;
  /** Of its calls, at storage: 0 to 1. */
  readonly share: number;
  /** One call in so many visits the other side, so that the profile there stays true; 0: none does. */
  readonly probeEvery: number;
  /** A call that has computed at storage for so long, µs, and has sent nothing but reads is run at compute instead; 0: none is. */
  readonly backCpuUs: number;
  /**
   * A call leaves the side where its function has half of its share or more while `overflowMin` calls that may leave are in flight there, and `overflowTimes` as many
   * besides as calls of any kind on the other side. `overflowMin` 0: none does.
   */
  readonly overflowMin: number;
  readonly overflowTimes: number;
  /** Only while all calls are tried on one side for a moment: the share before, to which it goes back whoever controls then. */
  readonly fromShare?: number;
}

/** Where half of a function's calls are, or more. */
export const homeOf = ({ share }: Pick<Placement, "share">): Side => (share >= 0.5 ? "storage" : "compute");

/** Without what else is kept of it: what is done with its calls, and not that it is a trial. */
export const placeOf = (placement: Placement): Placement => {
  const { state, share, probeEvery, backCpuUs, overflowMin, overflowTimes } = placement;
  return { state, share, probeEvery, backCpuUs, overflowMin, overflowTimes };
};

/** Whether who follows the one would do anything else by the other. */
export const isSamePlacement = (one: Placement | undefined, other: Placement): boolean =>
  one?.state === other.state &&
  one.share === other.share &&
  one.probeEvery === other.probeEvery &&
  one.backCpuUs === other.backCpuUs &&
  one.overflowMin === other.overflowMin &&
  one.overflowTimes === other.overflowTimes &&
  one.fromShare === other.fromShare;

export interface Plan {
  /** Tells which of two plans is the later one, whoever made them (`isLaterPlan`); 0: there is none. */
  readonly version: number;
  readonly placements: ReadonlyMap<string, Placement>;
}

export const NO_PLAN: Plan = { version: 0, placements: new Map() };

/** Whole numbers that JavaScript holds exactly. */
const VERSIONS = 2 ** 53;
/** Plans of one controller: at the fastest, one every 25 ms for four days. */
export const PLANS_OF_A_REIGN_MAX = 2 ** 24;
const REIGNS = VERSIONS / PLANS_OF_A_REIGN_MAX;

/** The `count`th plan of a controller, from 0 on. One that was paused and does not know that it was succeeded writes plans that nobody follows. */
export const planVersion = (reign: number, count: number): number => reign * PLANS_OF_A_REIGN_MAX + count;

/** Whose plans are later than the one of this version, and than all others of its reign. */
export const nextReign = (version: number): number => (Math.floor(version / PLANS_OF_A_REIGN_MAX) + 1) % REIGNS || 1;

/**
 * Versions go round, and one is later than the half of them that lie behind it (serial number arithmetic, RFC 1982): none is the last,
 * so that whoever makes a plan of an absurd version is succeeded like everybody.
 */
export function isLaterPlan(version: number, than: number): boolean {
  if (version === 0 || than === 0) return version > than;
  const ahead = version - than;
  return (ahead < 0 ? ahead + VERSIONS : ahead) < VERSIONS / 2 && ahead !== 0;
}
