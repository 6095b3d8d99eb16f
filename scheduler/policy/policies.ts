// The policies by name: what `--policy` and a setting take.

import { LocusError } from "#runtime/errors.ts";
import { fixedKeepAlive, REFERENCE } from "./fixed.ts";
import { forecast } from "./forecast.ts";
import { greedyDual } from "./greedy-dual.ts";
import { hybridHistogram } from "./hybrid-histogram.ts";
import type { Policy } from "./policy.ts";
import type { Objective } from "./waiting-price.ts";

/** Each call makes a policy that knows nothing yet. An objective is heeded by `forecast` alone. */
export const POLICIES = {
  forecast,
  reference: () => fixedKeepAlive("reference", REFERENCE),
  "hybrid-histogram": hybridHistogram,
  "greedy-dual": greedyDual,
} satisfies Readonly<Record<string, (objective?: Objective) => Policy>>;

/** One of the table, or `fixed:SECONDS`, or `fixed:never`; `objective` is for `forecast`. CONFIG_INVALID where there is none of that name. */
export function policyOf(name: string, objective?: Objective): Policy {
  if (Object.hasOwn(POLICIES, name)) return POLICIES[name as keyof typeof POLICIES](objective);
  const [, given] = /^fixed:(never|\d+(?:\.\d+)?)$/.exec(name) ?? [];
  if (given !== undefined) return fixedSeconds(given === "never" ? Infinity : Number(given));
  const names = Object.keys(POLICIES).join(", ");
  throw new LocusError(
    "CONFIG_INVALID",
    `there is no policy "${name}"; there are ${names}, fixed:SECONDS and fixed:never`,
  );
}

export const fixedSeconds = (seconds: number): Policy =>
  fixedKeepAlive(seconds === Infinity ? "fixed:never" : `fixed:${seconds}`, {
    keepAliveMs: seconds * 1e3,
    lookEveryMs: 0,
  });
