// What a step of the controller looks at.

import type { Profiles } from "#runtime/profile/profiles.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { CostConstants } from "./cost-model.ts";
import type { Capacity } from "./pool-use.ts";

/** What people and authors have said about one function. */
export interface Rules {
  /** Where it begins, before anything is known. */
  readonly preferred: Side | null;
  /** Its share at storage, for good; null: free. */
  readonly pinnedShare: number | null;
  /** How much a µs of its callers' time counts beside that of others; 1 is usual. */
  readonly weight: number;
  /** A side whose 99th percentile is above this is not used while the other's is below; null: none. */
  readonly p99UnderUs: number | null;
}

/** Of a function of which nobody has said anything. */
export const FREE_RULES: Rules = { preferred: null, pinnedShare: null, weight: 1, p99UnderUs: null };

/** All that a step looks at. */
export interface Situation {
  readonly nowMs: number;
  /** What ended later may not be known yet: windows of many functions are long. At most `nowMs`. */
  readonly heardMs: number;
  readonly profiles: Profiles;
  /** Functions whose calls are not what they were, since the step before. */
  readonly shifted: ReadonlySet<string>;
  readonly constants: CostConstants;
  readonly capacity: Capacity;
  /** Calls in flight in these moments, to those that have been usual lately. */
  readonly callersGrown: number;
  /** By function: those that are deployed. */
  readonly rules: ReadonlyMap<string, Rules>;
}
