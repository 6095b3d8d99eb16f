// Where one call runs: the side that the caller asks for, else what the plan says, else the side that the author prefers, else
// compute.

import type { Side } from "#runtime/profile/sample.ts";
import type { PushBackBudget } from "./push-back.ts";

const DEFAULT_SIDE: Side = "compute";

/**
 * What the plan says of one call: its function's place, one that is tried for a moment, a visit to the other side that keeps the profile there true, or that
 * side since its own is crowded.
 */
export interface PlannedSide {
  readonly side: Side;
  readonly reason: "plan" | "trial" | "probe" | "overflow";
  /** As in `Placement`; 0 at compute. */
  readonly backCpuUs: number;
  /** It is of a function whose calls overflow. */
  readonly overflows: boolean;
  /** Of its function: nothing of `backCpuUs` holds while it is spent. */
  readonly budget: PushBackBudget;
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
  "overflow",
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

export interface SideChoice extends Pick<PlannedSide, "side" | "backCpuUs" | "overflows"> {
  readonly reason: SideReason;
  /** Where the call runs when that side cannot have it: it is off, was not reached, or its user may run nothing there; null: nowhere. */
  readonly otherwise: Side | null;
  /** null: the call is none of those that the plan spreads. */
  readonly budget: PushBackBudget | null;
}

export const isSide = (text: string): text is Side => text === "compute" || text === "storage";

/**
 * Chooses a side. Who asks for one gets that one or an error. What merely was meant for storage runs at compute where storage is
 * off; never the other way round, since a core beside Redis is everybody's.
 */
export const chooseSide = ({ requested, planned, preferred }: SideQuestion): SideChoice => {
  if (requested !== null) {
    return { side: requested, reason: "asked", otherwise: null, backCpuUs: 0, overflows: false, budget: null };
  }
  const side = planned?.side ?? preferred ?? DEFAULT_SIDE;
  const reason = planned?.reason ?? (preferred === null ? "default" : "preferred");
  // What only overflowed there goes where it was planned.
  const otherwise = side === "storage" ? "compute" : reason === "overflow" ? "storage" : null;
  const { backCpuUs = 0, overflows = false, budget = null } = planned ?? {};
  return { side, reason, otherwise, backCpuUs, overflows, budget };
};
