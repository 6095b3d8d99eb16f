// The value that comes down from placement, for each function: which part of its calls runs at storage.

export type PlacementState = "profiling" | "compute" | "storage" | "split" | "probing" | "reverting" | "pinned";

/** Of one function. */
export interface Placement {
  readonly state: PlacementState;
  /** Of its calls, at storage: 0 to 1. */
  readonly share: number;
  /** One call in so many visits the other side, so that the profile there stays true; 0: none does. */
  readonly probeEvery: number;
}
