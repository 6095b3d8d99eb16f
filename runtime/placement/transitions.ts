// The last transitions of each function, for people. Moves, visits, trials and the rest have bounds of their
// own, so that what moved a function is not lost among its visits.

import type { Transition, Why } from "./transition.ts";

type Group = "moved" | "visited" | "tried" | "other";

const GROUPS: Readonly<Record<Why["kind"], Group>> = {
  new: "other",
  replaced: "other",
  resumed: "other",
  profiled: "other",
  shifted: "other",
  pinned: "moved",
  unpinned: "moved",
  closed: "moved",
  recalled: "moved",
  latency: "moved",
  capacity: "moved",
  surge: "moved",
  bound: "moved",
  reverted: "moved",
  probing: "visited",
  probed: "visited",
  trying: "tried",
  tried: "tried",
};

/** Of one function. */
const KEPT_MAX: Readonly<Record<Group, number>> = { moved: 8, visited: 2, tried: 8, other: 6 };
/** Of these the latest outlive the controller. */
const RECORDED_MAX: Readonly<Record<Group, number>> = { moved: 4, visited: 1, tried: 3, other: 2 };

const sumOf = (counts: Readonly<Record<Group, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

export const TRANSITIONS_MAX = sumOf(KEPT_MAX);
export const RECORDED_TRANSITIONS_MAX = sumOf(RECORDED_MAX);

export class Transitions {
  readonly #byFunction = new Map<string, Transition[]>();

  add(transition: Transition): void {
    const own = this.#byFunction.get(transition.function) ?? [];
    this.#byFunction.set(transition.function, own);
    own.push(transition);
    const alike = own.filter((one) => groupOf(one) === groupOf(transition));
    if (alike.length > KEPT_MAX[groupOf(transition)]) own.splice(own.indexOf(alike[0]!), 1);
  }

  /** The latest last. */
  of(name: string): readonly Transition[] {
    return this.#byFunction.get(name) ?? [];
  }

  /** Those that outlive the controller, the latest last. */
  recorded(name: string): readonly Transition[] {
    const left = { ...RECORDED_MAX };
    return this.of(name)
      .toReversed()
      .filter((one) => left[groupOf(one)]-- > 0)
      .toReversed();
  }

  keepOnly(names: Pick<ReadonlySet<string>, "has">): void {
    for (const name of this.#byFunction.keys()) if (!names.has(name)) this.#byFunction.delete(name);
  }
}

/** A node of another version may have sent a kind that this one does not know. */
const groupOf = ({ why: { kind } }: Transition): Group => GROUPS[kind] ?? "other";
