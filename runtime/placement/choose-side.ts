// Where one call runs while placement is by hand: the side that the caller asks for, else the one that the author
// prefers, else compute.

import type { Side } from "#runtime/profile/sample.ts";

const DEFAULT_SIDE: Side = "compute";

export interface SideQuestion {
  /** The side that the caller asks for; null leaves the choice to locus. */
  readonly requested: Side | null;
  /** The side that the function's author prefers, where one is declared. */
  readonly preferred: Side | null;
}

export interface SideChoice {
  readonly side: Side;
  /** Where the call runs when that side can run nothing now (SIDE_UNAVAILABLE); null: nowhere. */
  readonly otherwise: Side | null;
}

export const isSide = (text: string): text is Side => text === "compute" || text === "storage";

/**
 * Chooses a side. Who asks for one gets that one or an error. What merely prefers storage runs at compute where storage is
 * off; never the other way round, since a core beside Redis is everybody's.
 */
export const chooseSide = ({ requested, preferred }: SideQuestion): SideChoice => {
  if (requested !== null) return { side: requested, otherwise: null };
  const side = preferred ?? DEFAULT_SIDE;
  return { side, otherwise: side === "storage" ? "compute" : null };
};
