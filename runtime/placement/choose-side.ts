// Where one call runs: the side that the caller asks for, else what the plan says, else the side that the author prefers, else
// compute.

import type { Side } from "#runtime/profile/sample.ts";

const DEFAULT_SIDE: Side = "compute";

/** What the plan says of one call: its function's place, one that is tried for a moment, or a visit to the other side that keeps the profile there true. */
export interface PlannedSide {
  readonly side: Side;
  readonly reason: "plan" | "trial" | "probe";
  /** As in `Placement`; 0 at compute. */
  readonly backCpuUs: number;
}

/**
 * Why a call ran where it did. `unavailable`: the side that was chosen could not have it. `pushed-back`: it was far dearer at storage
 * than calls of its function are.
 */
export const SIDE_REASONS = [
  "asked",
  "plan",
  "trial",
  "probe",
  "preferred",
  "default",
  "unavailable",
  "pushed-back",
] as const;

export type SideReason = (typeof SIDE_REASONS)[number];

export interface SideQuestion {
  /** The side that the caller asks for; null leaves the choice to locus. */
  readonly requested: Side | null;
  /** null: nothing is planned for the function. */
  readonly planned: PlannedSide | null;
  /** The side that the function's author prefers, where one is declared. */
  readonly preferred: Side | null;
}

export interface SideChoice {
  readonly side: Side;
  readonly reason: SideReason;
  /** Where the call runs when that side cannot have it: it is off, was not reached, or its user may run nothing there; null: nowhere. */
  readonly otherwise: Side | null;
  /** As in `PlannedSide`. */
  readonly backCpuUs: number;
}

export const isSide = (text: string): text is Side => text === "compute" || text === "storage";

/**
 * Chooses a side. Who asks for one gets that one or an error. What merely was meant for storage runs at compute where storage is
 * off; never the other way round, since a core beside Redis is everybody's.
 */
export const chooseSide = ({ requested, planned, preferred }: SideQuestion): SideChoice => {
  if (requested !== null) return { side: requested, reason: "asked", otherwise: null, backCpuUs: 0 };
  const side = planned?.side ?? preferred ?? DEFAULT_SIDE;
  const reason = planned?.reason ?? (preferred === null ? "default" : "preferred");
  return { side, reason, otherwise: side === "storage" ? "compute" : null, backCpuUs: planned?.backCpuUs ?? 0 };
};
