// What is compared: a decider sees what the controller of a node sees, and says where functions run.

import { advance, NEW_STATE } from "#runtime/placement/controller.ts";
import { restingState } from "#runtime/placement/function-state.ts";
import { optimalShares } from "#runtime/placement/optimal-shares.ts";
import { NO_OVERFLOW } from "#runtime/placement/overflow.ts";
import type { Placement } from "#runtime/placement/plan.ts";
import { poolUse } from "#runtime/placement/pool-use.ts";
import type { Situation } from "#runtime/placement/situation.ts";
import { viewOf } from "#runtime/placement/view.ts";
import { FRESH } from "#runtime/placement/function-state.ts";

export interface Decision {
  readonly placements: ReadonlyMap<string, Placement>;
  /** Functions whose share changed for good in this step, neither by a trial nor back from one. */
  readonly moved: readonly string[];
  /** Functions in a trial. */
  readonly tried: readonly string[];
}

/** A decider with a state of its own. */
export type Decider = (situation: Situation) => Decision;

/** Each makes a decider for one world. */
export const DECIDERS = {
  /** The product's. */
  locus: (): Decider => {
    let state = NEW_STATE;
    return (situation) => {
      const step = advance(state, situation);
      state = step.state;
      const isTrial = (kind: string): boolean => kind === "trying" || kind === "tried";
      const moved = step.transitions.filter(({ fromShare, toShare, why }) => {
        return fromShare !== toShare && (!isTrial(why.kind) || (why.kind === "tried" && why.outcome === "accepted"));
      });
      const { experiment } = state;
      return {
        placements: state.functions,
        moved: moved.map((one) => one.function),
        tried: experiment?.kind === "trying" ? experiment.changes.map(({ name }) => name) : [],
      };
    };
  },
  /** The model's best shares in each step: neither verified nor tried. */
  model: (): Decider => {
    let placements = new Map<string, Placement>();
    return (situation) => {
      const before = placements;
      const views = [...situation.rules].flatMap(([name, rules]) => {
        const share = before.get(name)?.share ?? 0;
        const view = viewOf(name, rules, { ...FRESH, state: restingState(share), share }, situation);
        return view === null ? [] : [view];
      });
      const use = poolUse(
        views.map(({ load }) => load),
        situation.capacity,
      );
      const shares = optimalShares(
        use,
        views.map(({ share }) => share),
      );
      placements = new Map(views.map(({ name }, index) => [name, placementAt(shares[index]!)]));
      const moved = views.filter(({ name, share }) => placements.get(name)!.share !== share);
      return { placements, moved: moved.map(({ name }) => name), tried: [] };
    };
  },
  /** Everything stays at compute. */
  still: (): Decider => () => ({ placements: new Map(), moved: [], tried: [] }),
} as const;

export type DeciderName = keyof typeof DECIDERS;

const placementAt = (share: number): Placement => ({
  state: restingState(share),
  share,
  probeEvery: 100,
  backCpuUs: 0,
  ...NO_OVERFLOW,
});
