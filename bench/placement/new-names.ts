// A load under other names than its functions have: what was learnt of these, by whatever calls, nobody knows of those. And under others again
// after some turns: what a rule knows of functions is found out anew, and one that was unlucky once is so for these turns alone. What it knows of none it keeps, as Kayak its one fraction.

import type { Shares } from "./best-shares.ts";
import type { RuleName } from "./rule-names.ts";
import type { Part } from "./schedule.ts";

/** By the name that a function has. */
export type NewNames = ReadonlyMap<string, string>;

/** Who has them. */
export interface NameGiver {
  /** Deploys functions that are deployed under names that nobody has ever called; they have them until these are given up. */
  giveNewNames(functions: readonly string[]): Promise<NewNames>;
  giveUpNames(names: NewNames): Promise<void>;
}

/** Turns of a row before its functions are new ones again. Chosen: as many as all have at least, so that a first life is whole. */
export const LIFE_TURNS = 4;

/** Some functions' lives, one after the other: new names for so many turns each. */
export class Lives {
  readonly #giver: NameGiver;
  readonly #functions: readonly string[];
  readonly #turnsEach: number;
  #names: NewNames | null = null;
  #turnsLeft = 0;

  constructor(giver: NameGiver, functions: readonly string[], turnsEach: number) {
    this.#giver = giver;
    this.#functions = functions;
    this.#turnsEach = turnsEach;
  }

  /** Of the next turn. */
  async next(): Promise<{ readonly names: NewNames; readonly isNew: boolean }> {
    if (this.#turnsLeft === 0) await this.end();
    const isNew = this.#names === null;
    this.#names ??= await this.#giver.giveNewNames(this.#functions);
    // One that was ended before its time leaves the rest of its turns to the next, so that each so many turns lie together.
    this.#turnsLeft = (this.#turnsLeft === 0 ? this.#turnsEach : this.#turnsLeft) - 1;
    return { names: this.#names, isNew };
  }

  async end(): Promise<void> {
    if (this.#names === null) return;
    const names = this.#names;
    this.#names = null;
    await this.#giver.giveUpNames(names);
  }
}

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
