// How well the cost model knows the side where a function is not. Each function is called on either side, one call at a time, the
// same calls; a profile that has seen one side only predicts the other, and what was measured there says by how much it was wrong: of what its caller
// waits for, from admission by the node to its answer, and of the time in the sandbox alone.

import type { Invoker } from "#compute/node/invoker.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import { functionCosts } from "#runtime/placement/function-costs.ts";
import { FunctionProfile } from "#runtime/profile/function-profile.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import { SampleTally, termOf } from "#runtime/profile/tally.ts";
import { callOnce } from "./single-call.ts";
import type { SuiteCall } from "./suite.ts";

export interface Prediction {
  readonly function: string;
  readonly toSide: Side;
  /** What its caller waits for: the way to the sandbox and back included. */
  readonly latency: PredictedTime;
  /** Of that, in the sandbox. */
  readonly service: PredictedTime;
}

/** Mean of a call, µs. */
interface PredictedTime {
  readonly predictedUs: number;
  readonly measuredUs: number;
}

interface Predicted {
  readonly function: string;
  readonly calls: readonly SuiteCall[];
}

interface PredictionOptions {
  readonly constants: CostConstants;
  /** On each side before what is measured: what is placed is code that V8 has compiled. */
  readonly warmUpMs: number;
  /** Of each side of each function. */
  readonly budgetMs: number;
  readonly callsMin: number;
}

export const SIDES = ["compute", "storage"] as const;
/** The sides take turns, so that a disturbance meets both. The first warms up. */
const TURNS = 4;

export async function predict(
  invoker: Invoker,
  { function: name, calls }: Predicted,
  { constants, warmUpMs, budgetMs, callsMin }: PredictionOptions,
): Promise<readonly Prediction[]> {
  const profiles: Record<Side, FunctionProfile | null> = { compute: null, storage: null };
  const tallies = { compute: new SampleTally(), storage: new SampleTally() };
  const elapsedUs = { compute: 0, storage: 0 };
  const asked = { compute: 0, storage: 0 };
  for (let turn = 0; turn <= TURNS; turn++) {
    for (const side of SIDES) {
      const untilMs = performance.now() + (turn === 0 ? warmUpMs : budgetMs / TURNS);
      for (let call = 0; call < callsMin / TURNS || performance.now() < untilMs; call++) {
        const { usage, elapsedUs } = await callOnce(invoker, name, calls[asked[side]++ % calls.length]!, side);
        if (turn === 0 || usage === null) continue;
        tallies[side].record({ ...usage, function: name, version: "1", side, outcome: "ok" }, elapsedUs);
      }
    }
  }
  const nowMs = performance.now();
  for (const side of SIDES) {
    const [tally] = tallies[side].take().tallies;
    if (tally === undefined) throw new Error(`${name} was not called at ${side}`);
    const profile = new FunctionProfile("1");
    profile.fold(tally, nowMs, budgetMs, budgetMs);
    profiles[side] = profile;
    elapsedUs[side] = termOf(tally.sums, "elapsedUs") / termOf(tally.sums, "calls");
  }
  return SIDES.map((fromSide) => {
    const toSide = otherSide(fromSide);
    const cost = functionCosts(profiles[fromSide]!.estimates(nowMs), constants, nowMs)?.sides[toSide].cost;
    const measured = profiles[toSide]!.estimates(nowMs)[toSide];
    if (cost === undefined || measured === null) throw new Error(`nothing is known of ${name}`);
    const { latencyUs, terms } = cost;
    return {
      function: name,
      toSide,
      latency: { predictedUs: latencyUs, measuredUs: elapsedUs[toSide] },
      service: { predictedUs: latencyUs - terms.call, measuredUs: measured.serviceUs },
    };
  });
}

export const errorOf = ({ predictedUs, measuredUs }: PredictedTime): number =>
  Math.abs(predictedUs - measuredUs) / measuredUs;
