// Where one call runs while placement is by hand: the side that the caller asks for, else the one that the author
// prefers, else compute. A capability that only one side gives outranks the preference and forbids the other side.

import type { Side } from "#runtime/profile/sample.ts";

const DEFAULT_SIDE: Side = "compute";

/** What only one side can give, by the name that a function declares. */
const CAPABILITY_SIDE: ReadonlyMap<string, Side> = new Map([["fetch", "compute"]]);

export interface SideQuestion {
  /** The side that the caller asks for; null leaves the choice to locus. */
  readonly requested: Side | null;
  /** The side that the function's author prefers, where one is declared. */
  readonly preferred: Side | null;
  /** The function's declared capabilities. */
  readonly capabilities: readonly string[];
}

export type SideChoice =
  | { readonly side: Side; readonly reason: "requested" | "capability" | "preferred" | "default" }
  | { readonly side: null; readonly reason: string };

export const isSide = (text: string): text is Side => text === "compute" || text === "storage";

/** Chooses a side, or says why no side can run the call. */
export const chooseSide = ({ requested, preferred, capabilities }: SideQuestion): SideChoice => {
  for (const capability of capabilities) {
    const side = CAPABILITY_SIDE.get(capability);
    if (side === undefined) return { side: null, reason: `no side has the capability "${capability}"` };
    if (requested !== null && requested !== side) {
      return {
        side: null,
        reason: `the capability "${capability}" exists only at ${side}, ${requested} was asked for`,
      };
    }
    if (requested === null) return { side, reason: "capability" };
  }
  if (requested !== null) return { side: requested, reason: "requested" };
  if (preferred !== null) return { side: preferred, reason: "preferred" };
  return { side: DEFAULT_SIDE, reason: "default" };
};
