// The last transitions of each function, for people. Visits have a bound of their own, so that what moved a
// function is not lost among them.

import type { Transition } from "./transition.ts";

/** Of one function, besides the last two visits. */
const OTHERS_KEPT = 20;
/** The latest of the others outlive the controller. */
export const RECORDED_TRANSITIONS_MAX = OTHERS_KEPT / 2;

export class Transitions {
  readonly #byFunction = new Map<string, Transition[]>();

  add(transition: Transition): void {
    const own = this.#byFunction.get(transition.function) ?? [];
    this.#byFunction.set(transition.function, own);
    own.push(transition);
    const alike = own.filter((one) => isVisit(one) === isVisit(transition));
    if (alike.length > (isVisit(transition) ? 2 : OTHERS_KEPT)) own.splice(own.indexOf(alike[0]!), 1);
  }

  /** The latest last. */
  of(name: string): readonly Transition[] {
    return this.#byFunction.get(name) ?? [];
  }

  /** Those that outlive the controller, the latest last. */
  recorded(name: string): readonly Transition[] {
    return this.of(name)
      .filter((one) => !isVisit(one))
      .slice(-RECORDED_TRANSITIONS_MAX);
  }

  keepOnly(names: Pick<ReadonlySet<string>, "has">): void {
    for (const name of this.#byFunction.keys()) if (!names.has(name)) this.#byFunction.delete(name);
  }
}

const isVisit = ({ why: { kind } }: Transition): boolean => kind === "probing" || kind === "probed";
