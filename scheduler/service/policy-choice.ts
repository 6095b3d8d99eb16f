// The policies by the names that a setting gives them: those of the table, and none that takes a figure.

import { POLICIES } from "../policy/policies.ts";
import type { Policy } from "../policy/policy.ts";
import type { Objective } from "../policy/waiting-price.ts";

export type PolicyName = keyof typeof POLICIES;

export const POLICY_NAMES = Object.keys(POLICIES) as readonly PolicyName[];

export const policyOf = (name: PolicyName, objective?: Objective): Policy => POLICIES[name](objective);
