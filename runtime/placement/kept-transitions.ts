// What has become of each function lately, for who asks why it is where it is. Each keeps its own, and of each kind its own number: what moved
// it months ago is still told, however often it was visited since, and whatever became of others. The loop around the controller adds to it.

import type { Transition, Why } from "./function-state.ts";

/** `moved`: by what its share is what it is. `visited`: calls went to look at the other side. `tried`: of trials, but for what was kept. `learnt`: all the rest. */
type Kind = "moved" | "visited" | "tried" | "learnt";

/** Of one function; each is a few hundred bytes. */
const KEPT_MAX: Readonly<Record<Kind, number>> = { moved: 8, visited: 4, tried: 9, learnt: 8 };

/** … and of these outlive the controller: what its share is owed to, and the last trial from its beginning to its end. */
const RECORDED_MAX: Readonly<Record<Kind, number>> = { moved: 4, visited: 1, tried: 3, learnt: 2 };

/** Of one function, of all kinds. */
export const TRANSITIONS_MAX = Object.values(KEPT_MAX).reduce((sum, max) => sum + max, 0);

const MOVES: ReadonlySet<Why["kind"]> = new Set([
  "overload",
  "surge",
  "latency",
  "bound",
  "recalled",
  "reverted",
  "stopped",
  "pinned",
  "freed",
]);

export const RECORDED_TRANSITIONS_MAX = Object.values(RECORDED_MAX).reduce((sum, max) => sum + max, 0);

/** Whether its share may be owed to it: trials that came to nothing have left it as it was, and so has a closed storage where it was at compute. */
export const isMove = ({ why, fromShare, toShare }: Pick<Transition, "why" | "fromShare" | "toShare">): boolean =>
  why.kind === "closed" ? fromShare !== toShare : MOVES.has(why.kind) || (why.kind === "tried" && why.isKept);

export class KeptTransitions {
  readonly #byFunction = new Map<string, Transition[]>();

  add(transition: Transition): void {
    const own = this.#byFunction.get(transition.function) ?? [];
    this.#byFunction.set(transition.function, own);
    own.push(transition);
    const kind = kindOf(transition);
    const alike = own.filter((one) => kindOf(one) === kind);
    if (alike.length > KEPT_MAX[kind]) own.splice(own.indexOf(alike[0]!), 1);
  }

  /** The latest last. */
  of(name: string): readonly Transition[] {
    return this.#byFunction.get(name) ?? [];
  }

  /** Those that outlive whoever keeps them, the latest last. */
  recorded(name: string): readonly Transition[] {
    const left = { ...RECORDED_MAX };
    return this.of(name)
      .toReversed()
      .filter((one) => left[kindOf(one)]-- > 0)
      .toReversed();
  }

  /** Forgets all other functions. */
  keepOnly(names: Pick<ReadonlySet<string>, "has">): void {
    for (const name of this.#byFunction.keys()) if (!names.has(name)) this.#byFunction.delete(name);
  }
}

const VISITS: ReadonlySet<Why["kind"]> = new Set(["probing", "probed"]);
const TRIALS: ReadonlySet<Why["kind"]> = new Set(["trying", "checking", "tried", "slowed"]);

function kindOf(transition: Transition): Kind {
  const { why } = transition;
  if (isMove(transition)) return "moved";
  if (VISITS.has(why.kind)) return "visited";
  return TRIALS.has(why.kind) ? "tried" : "learnt";
}
