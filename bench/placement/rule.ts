// Who says where a call runs, seen from a load: asked before each call, told after it. The plan leaves it to locus; the others are
// what it is compared with.

import type { Side, Usage } from "#runtime/profile/sample.ts";

/** A call that has ended. */
export interface Ended {
  readonly function: string;
  readonly side: Side;
  /** From the caller's asking to the answer. */
  readonly elapsedUs: number;
  /** null where no sandbox had it. */
  readonly usage: Usage | null;
  readonly ok: boolean;
  readonly atMs: number;
}

export interface Rule {
  /** null leaves it to locus. */
  choose(functionName: string): Side | null;
  observe(call: Ended): void;
  /** Its load goes on after a pause, in which it saw nothing. */
  resume?(): void;
}

const nothing = (): void => {};

export const planRule: Rule = { choose: () => null, observe: nothing };

/** Of each function's calls this share at storage, as evenly as can be; those that are not named run at compute. */
export function sharesRule(shares: Readonly<Record<string, number>>): Rule {
  const owed = new Map<string, number>();
  return {
    choose(name) {
      const now = (owed.get(name) ?? 0) + (shares[name] ?? 0);
      // Sums of fractions: an error of rounding sends no call elsewhere.
      const isDue = now >= 1 - 1e-9;
      owed.set(name, isDue ? now - 1 : now);
      return isDue ? "storage" : "compute";
    },
    observe: nothing,
  };
}
