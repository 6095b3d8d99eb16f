// A load under other names than its functions have: what was learnt of these, by whatever calls, nobody knows of those.

import type { Shares } from "./best-shares.ts";
import type { RuleName } from "./rule-names.ts";
import type { Part } from "./schedule.ts";

/** By the name that a function has. */
export type NewNames = ReadonlyMap<string, string>;

const newNameOf = (names: NewNames, name: string): string => {
  const newName = names.get(name);
  if (newName === undefined) throw new Error(`${name} has no new name`);
  return newName;
};

export const partsUnder = (names: NewNames, parts: readonly Part[]): readonly Part[] =>
  parts.map((part) => ({ ...part, function: newNameOf(names, part.function) }));

export const sharesUnder = (names: NewNames, shares: Shares): Shares =>
  Object.fromEntries(Object.entries(shares).map(([name, share]) => [newNameOf(names, name), share]));

export const ruleUnder = (names: NewNames, rule: RuleName): RuleName =>
  rule.kind === "shares" ? { ...rule, shares: sharesUnder(names, rule.shares) } : rule;
