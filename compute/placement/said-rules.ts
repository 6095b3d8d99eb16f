// What people have said about functions, as it is kept in Redis: a field for each thing said of one. Two people who say something of
// a function at once both have their say, and nobody has to read before writing.

import { Type } from "typebox";
import { Compile } from "typebox/compile";

import { NAME_PATTERN } from "#runtime/function/description.ts";
import type { Rules } from "#runtime/placement/situation.ts";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";

/** Where a function begins is its author's word; the rest is people's. */
export type SaidRules = Omit<Rules, "preferred">;

export const SAID_NOTHING: SaidRules = { pinnedShare: null, weight: 1, p99UnderUs: null };

type Rule = keyof SaidRules;

/** Bounds that are included. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export const SHARE_RANGE: Range = { min: 0, max: 1 };
export const WEIGHT_RANGE: Range = { min: 0.001, max: 1_000 };
export const P99_MS_RANGE: Range = { min: 0.001, max: 1e6 };

const checkOf = ({ min, max }: Range) => Compile(Type.Number({ minimum: min, maximum: max }));

/** Whoever may write in Redis may have written them. */
const CHECKS = {
  pinnedShare: checkOf(SHARE_RANGE),
  weight: checkOf(WEIGHT_RANGE),
  p99UnderUs: checkOf({ min: 1e3 * P99_MS_RANGE.min, max: 1e3 * P99_MS_RANGE.max }),
} as const satisfies Record<Rule, unknown>;

const RULES = Object.keys(CHECKS) as Rule[];

/** A field's name has no function's: none contains this. */
const BETWEEN = ":";

const fieldOf = (name: string, rule: Rule): string => `${name}${BETWEEN}${rule}`;

/** What becomes of the hash: null takes back all that was said of the function. */
export interface FieldsChange {
  readonly set: readonly (readonly [field: string, text: string])[];
  readonly removed: readonly string[];
}

export function fieldsChange(name: string, change: Partial<SaidRules> | null): FieldsChange {
  const said = change ?? SAID_NOTHING;
  const changed = RULES.filter((rule) => said[rule] !== undefined);
  const isSet = (rule: Rule): boolean => said[rule] !== SAID_NOTHING[rule];
  return {
    set: changed.filter(isSet).map((rule) => [fieldOf(name, rule), JSON.stringify(said[rule])]),
    removed: changed.filter((rule) => !isSet(rule)).map((rule) => fieldOf(name, rule)),
  };
}

/** Of no more functions than there can be; a field that says nothing that can be said is left out. */
export function rulesIn(fields: Readonly<Record<string, string>>): ReadonlyMap<string, SaidRules> {
  const said = new Map<string, SaidRules>();
  for (const [field, text] of Object.entries(fields)) {
    const [name = "", rule = ""] = field.split(BETWEEN);
    const value = valueOf(rule, text);
    if (value === null || !NAME_PATTERN.test(name) || field !== name + BETWEEN + rule) continue;
    const before = said.get(name);
    if (before === undefined && said.size >= TALLIED_FUNCTIONS_MAX) continue;
    said.set(name, { ...SAID_NOTHING, ...before, [rule]: value });
  }
  return said;
}

function valueOf(rule: string, text: string): number | null {
  if (!Object.hasOwn(CHECKS, rule)) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "number" && CHECKS[rule as Rule].Check(value) ? value : null;
  } catch {
    return null;
  }
}
