// The policies by the names that a setting gives them.

import { fixedKeepAlive, REFERENCE } from "../policy/fixed.ts";
import { forecast } from "../policy/forecast.ts";
import { greedyDual } from "../policy/greedy-dual.ts";
import { hybridHistogram } from "../policy/hybrid-histogram.ts";
import type { Policy } from "../policy/policy.ts";

const POLICIES = {
  forecast: () => forecast(),
  reference: () => fixedKeepAlive("reference", REFERENCE),
  "hybrid-histogram": hybridHistogram,
  "greedy-dual": greedyDual,
} satisfies Readonly<Record<string, () => Policy>>;

export type PolicyName = keyof typeof POLICIES;

export const POLICY_NAMES = Object.keys(POLICIES) as readonly PolicyName[];

export const policyOf = (name: PolicyName): Policy => POLICIES[name]();
