// What happened to a function, with the numbers that made it happen.

import type { Side } from "#runtime/profile/sample.ts";
import type { PlacementState } from "./plan.ts";

type Tried = { readonly side: Side; readonly partner: string | null };
/** How a trial ended. */
type TrialOutcome = "accepted" | "rejected" | "inconclusive" | "invalid";

/** What a change promises: before and after, and the error of the difference as a fraction. */
export type Gain = Readonly<Record<"from" | "to" | "error", number>>;

export type Why =
  /** A new function; other code under its name; a pin set or removed; storage runs nothing now. */
  | { readonly kind: "new" | "replaced" | "pinned" | "unpinned" | "closed" }
  /** Another node controls now, and profiles every function again. */
  | { readonly kind: "resumed"; readonly sinceLastMs: number | null }
  /** Enough calls are known to place the function. */
  | { readonly kind: "profiled"; readonly calls: number }
  /** Its calls have changed: by this factor in work. */
  | { readonly kind: "shifted"; readonly workTimes: number }
  /** Its calls are of a kind that was seen before. They return to the share that was best then. */
  | { readonly kind: "recalled" }
  /**
   * The plan changed: for latency, to make a call shorter, or because the side has no room for all, and others save
   * more there: mean latency before and after, µs; for capacity, to relieve the busiest pool: its utilisation.
   */
  | ({ readonly kind: "latency" | "room" | "capacity" } & Gain)
  /** The same, for many more calls than a moment ago. */
  | ({ readonly kind: "surge" } & Readonly<Record<"from" | "to" | "callsPerSecond" | "usualPerSecond", number>>)
  /** The 99th percentile exceeded the function's bound, µs. */
  | { readonly kind: "bound"; readonly p99UnderUs: number; readonly p99Us: number }
  /** A change of the plan made all calls longer, by this factor, and was taken back. */
  | { readonly kind: "reverted"; readonly ratio: number; readonly retryInMs: number }
  /** One call in `every` visits the other side because too little is known of it. */
  | { readonly kind: "probing"; readonly side: Side; readonly every: number }
  | { readonly kind: "probed"; readonly side: Side; readonly takesUs: number }
  /** All calls run on one side for a moment; a partner's calls run on the other. */
  | ({ readonly kind: "trying" } & Tried)
  /** The trial is over. `ratio`: time of all calls during it ÷ before and after; null: not measured. */
  | ({ readonly kind: "tried"; readonly outcome: TrialOutcome; readonly ratio: number | null } & Tried);

export interface Transition {
  /** Of the controller's clock. */
  readonly atMs: number;
  readonly function: string;
  readonly from: PlacementState;
  readonly to: PlacementState;
  readonly fromShare: number;
  readonly toShare: number;
  readonly why: Why;
}
