// Rules as Redis keeps them: one hash field for each rule of a function, so that two operators who
// change different rules of one function at once both succeed.

import { Type } from "typebox";
import { Compile } from "typebox/compile";

import { NAME_PATTERN } from "#runtime/function/description.ts";
import { FREE_RULES, type Rules } from "#runtime/placement/situation.ts";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";

/** What operators set. The preferred side is the author's, in the function's description. */
export type StoredRules = Omit<Rules, "preferred">;

const { preferred: _, ...NO_RULES } = FREE_RULES;
export { NO_RULES };

type Rule = keyof StoredRules;

/** Both bounds are allowed. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export const SHARE_RANGE: Range = { min: 0, max: 1 };
export const WEIGHT_RANGE: Range = { min: 0.001, max: 1_000 };
export const P99_MS_RANGE: Range = { min: 0.001, max: 1e6 };

const checkOf = ({ min, max }: Range) => Compile(Type.Number({ minimum: min, maximum: max }));

/** Any client of Redis may have written the fields. */
const CHECKS = {
  pinnedShare: checkOf(SHARE_RANGE),
  weight: checkOf(WEIGHT_RANGE),
  p99UnderUs: checkOf({ min: 1e3 * P99_MS_RANGE.min, max: 1e3 * P99_MS_RANGE.max }),
} as const satisfies Record<Rule, unknown>;

const RULES = Object.keys(CHECKS) as Rule[];

export interface FieldsChange {
  readonly set: readonly (readonly [field: string, text: string])[];
  readonly removed: readonly string[];
}

/** Rules that the change omits stay. null removes all rules of the function. */
export function fieldsChange(name: string, change: Partial<StoredRules> | null): FieldsChange {
  const rules = change ?? NO_RULES;
  const changed = RULES.filter((rule) => rules[rule] !== undefined);
  const isSet = (rule: Rule): boolean => rules[rule] !== NO_RULES[rule];
  return {
    set: changed.filter(isSet).map((rule) => [`${name}:${rule}`, JSON.stringify(rules[rule])]),
    removed: changed.filter((rule) => !isSet(rule)).map((rule) => `${name}:${rule}`),
  };
}

/** By function. Fields that are not valid rules are ignored, and so are functions beyond the maximum. */
export function rulesIn(fields: Readonly<Record<string, string>>): ReadonlyMap<string, StoredRules> {
  const rules = new Map<string, StoredRules>();
  for (const [field, text] of Object.entries(fields)) {
    const [name = "", rule = "", ...more] = field.split(":");
    const value = valueOf(rule, text);
    if (value === null || more.length > 0 || !NAME_PATTERN.test(name)) continue;
    if (!rules.has(name) && rules.size >= TALLIED_FUNCTIONS_MAX) continue;
    rules.set(name, { ...(rules.get(name) ?? NO_RULES), [rule]: value });
  }
  return rules;
}

function valueOf(rule: string, text: string): number | null {
  if (!Object.hasOwn(CHECKS, rule)) return null;
  try {
    const value: unknown = JSON.parse(text);
    return CHECKS[rule as Rule].Check(value) ? value : null;
  } catch {
    return null;
  }
}
