// The value that comes down from placement: for each function which part of its calls runs at storage.

export const PLACEMENT_STATES = ["profiling", "compute", "storage", "split", "probing", "reverting", "pinned"] as const;

export type PlacementState = (typeof PLACEMENT_STATES)[number];

/** Of one function. */
export interface Placement {
  readonly state: PlacementState;
  /** Of its calls, at storage: 0 to 1. */
  readonly share: number;
  /** One call in so many visits the other side, so that the profile there stays true; 0: none does. */
  readonly probeEvery: number;
  /** A call that has computed at storage for so long, µs, and has sent nothing but reads is run at compute instead; 0: none is. */
  readonly backCpuUs: number;
}

/** Whether who follows the one would do anything else by the other. */
export const isSamePlacement = (
  one: Placement | undefined,
  { state, share, probeEvery, backCpuUs }: Placement,
): boolean =>
  one?.state === state && one.share === share && one.probeEvery === probeEvery && one.backCpuUs === backCpuUs;

export interface Plan {
  /** A later plan has a greater one, whoever made it (`planVersion`). */
  readonly version: number;
  readonly placements: ReadonlyMap<string, Placement>;
}

export const NO_PLAN: Plan = { version: 0, placements: new Map() };

/** Plans of one controller: at the fastest, one every 25 ms for four days. Then it has to be elected again. */
const PLANS_OF_A_REIGN_MAX = 2 ** 24;

/**
 * `reign`: how many controllers there have been, this one included; `count`: how many plans it has made. A controller that was
 * paused and does not know yet that there is a new one writes plans that nobody follows.
 */
export const planVersion = (reign: number, count: number): number => reign * PLANS_OF_A_REIGN_MAX + count;

export const reignOf = (version: number): number => Math.floor(version / PLANS_OF_A_REIGN_MAX);
