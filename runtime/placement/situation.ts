// What a step of the controller looks at.

import type { Profiles } from "#runtime/profile/profiles.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { CostConstants } from "./cost-model.ts";
import type { Capacity } from "./pool-use.ts";

/** What operators and authors have set for one function. */
export interface Rules {
  /** Where it begins, before it is profiled. */
  readonly preferred: Side | null;
  /** Its fixed share at storage; null: not pinned. */
  readonly pinnedShare: number | null;
  /** How much a µs of its callers' time counts beside that of others; usually 1. */
  readonly weight: number;
  /** Bound on the 99th percentile, µs: a side that exceeds it is not used while the other one keeps it. */
  readonly p99UnderUs: number | null;
}

export const FREE_RULES: Rules = { preferred: null, pinnedShare: null, weight: 1, p99UnderUs: null };

export interface Situation {
  readonly nowMs: number;
  /** Calls that ended later may not be known yet. At most `nowMs`. */
  readonly heardMs: number;
  readonly profiles: Profiles;
  /** Functions whose calls have changed since the last step. */
  readonly shifted: ReadonlySet<string>;
  readonly constants: CostConstants;
  readonly capacity: Capacity;
  /** Calls in flight now ÷ as many as usual. */
  readonly callersGrown: number;
  /** Of all deployed functions. */
  readonly rules: ReadonlyMap<string, Rules>;
}
