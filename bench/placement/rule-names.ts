// The rules by their names, as a request for a load asks for one.

import { seededRandom } from "#runtime/seeded-random.ts";
import { asfpRule } from "./asfp-rule.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import { AUTOLOCS_NETWORK, autolocRule, networkHere } from "./autoloc-rule.ts";
import { kayakRule } from "./kayak-rule.ts";
import { planRule, type Rule } from "./rule.ts";

export type RuleName =
  /** Whatever locus has planned. */
  | { readonly kind: "auto" }
  /** Of each function, its share at storage; of those that are not named `otherwise`. */
  | { readonly kind: "shares"; readonly shares: Readonly<Record<string, number>> }
  | { readonly kind: "ASFP"; readonly storageCores: number }
  | { readonly kind: "Kayak" }
  /** With the prices of its authors' network. */
  | { readonly kind: "AutoLoc" }
  /** … and of the one that is here. */
  | { readonly kind: "AutoLoc calibrated" };

/** `constants`: of the node that is loaded. */
export function newRule(name: Exclude<RuleName, { readonly kind: "shares" }>, constants: CostConstants): Rule {
  switch (name.kind) {
    case "auto":
      return planRule;
    case "ASFP":
      return asfpRule(name.storageCores);
    case "Kayak":
      return kayakRule(seededRandom(1));
    case "AutoLoc":
      return autolocRule(AUTOLOCS_NETWORK);
    case "AutoLoc calibrated":
      break;
  }
  return autolocRule(networkHere(constants));
}
