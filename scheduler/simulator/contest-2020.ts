// The 2020 contest's score of policies: the same load through each of them, and through the reference that the score is relative to, which has
// one container for each call in flight, as configured, none released of its own accord, nor any node. Where nodes are full, a call takes
// what is freed first and the least recently used containers make room, since functions that come late would else never run. All others
// pack by what instances were seen to use, and release nodes that are empty.

import { fixedKeepAlive } from "../policy/fixed.ts";
import { fixedSeconds, POLICIES } from "../policy/policies.ts";
import type { Policy } from "../policy/policy.ts";
import type { Objective } from "../policy/waiting-price.ts";
import type { Weights2020 } from "../policy/weights-2020.ts";
import { contestGb, CONTEST_NODES_MAX, type SchedulerSettings } from "../settings.ts";
import type { Function2020 } from "./functions-2020.ts";
import { bestInHindsight } from "./hindsight.ts";
import { load2020, type Load2020 } from "./load-2020.ts";
import { run2020, type Run2020 } from "./run-2020.ts";
import { score2020, type Score2020, type Totals2020 } from "./score-2020.ts";

export interface Report2020 extends Score2020 {
  readonly policy: string;
  readonly seed: number;
  readonly weights: Weights2020;
  readonly calls: number;
  readonly functions: number;
  readonly errors: number;
  readonly starts: number;
  /** Containers that ended for want of room. */
  readonly evictions: number;
  readonly nodesMost: number;
  /** What the score is relative to: a reference that releases nothing but where nodes are full. */
  readonly reference: { readonly starts: number; readonly evictions: number };
}

export interface Comparison2020 {
  /** The reference last. */
  readonly reports: readonly Report2020[];
  readonly hindsight: Report2020;
}

interface Options {
  readonly seed: number;
  readonly weights: Weights2020;
  /** Instead of the table of ten. */
  readonly functions?: readonly Function2020[];
  /** Told what comes next, and how many of its calls have come. */
  readonly onStep?: (policy: string, calls: number) => void;
}

const REFERENCE_NAME = "nothing released";
/** None is reserved before it is needed, and none is empty for so long that it is released. */
const REFERENCE_SETTINGS = { nodesAhead: 0, nodeIdleMs: 1e12 };

export class Contest2020 {
  readonly #seed: number;
  readonly #weights: Weights2020;
  readonly #onStep: (policy: string, calls: number) => void;
  readonly #load: Load2020;
  /** Run once, for the first report. */
  #reference: Run2020 | null = null;

  constructor({ seed, weights, functions, onStep = () => {} }: Options) {
    this.#seed = seed;
    this.#weights = weights;
    this.#onStep = onStep;
    this.#load = load2020(seed, functions);
  }

  get calls(): number {
    return this.#load.startMs.length;
  }

  /** What the policy `forecast` is to go by here. */
  get objective(): Objective {
    return { kind: "score-2020", weights: this.#weights, gbMax: contestGb(CONTEST_NODES_MAX) };
  }

  report(policy: Policy): Report2020 {
    const reference = this.#runReference();
    return this.#reportOf(policy.name, this.#run(policy, true, {}), reference);
  }

  compare(): Comparison2020 {
    const reference = this.#runReference();
    const reports = Object.values(POLICIES).map((policy) => this.report(policy(this.objective)));
    return {
      reports: [...reports, this.#reportOf(REFERENCE_NAME, reference, reference)],
      hindsight: bestInHindsight(
        (seconds) => this.report(fixedSeconds(seconds)),
        ({ score }) => -score,
      ),
    };
  }

  #runReference(): Run2020 {
    const keepsAll = fixedKeepAlive(REFERENCE_NAME, { keepAliveMs: Infinity, lookEveryMs: 0 });
    return (this.#reference ??= this.#run({ ...keepsAll, sharesStarts: true }, false, REFERENCE_SETTINGS));
  }

  #run(policy: Policy, learnsNeed: boolean, settings: Partial<SchedulerSettings>): Run2020 {
    this.#onStep(policy.name, 0);
    return run2020(this.#load, policy, {
      seed: this.#seed,
      learnsNeed,
      settings,
      onProgress: (calls) => this.#onStep(policy.name, calls),
    });
  }

  #reportOf(policy: string, run: Run2020, reference: Run2020): Report2020 {
    return {
      policy,
      seed: this.#seed,
      weights: this.#weights,
      calls: this.calls,
      functions: this.#load.functions.length,
      ...score2020(totalsOf(run), totalsOf(reference), this.#weights),
      errors: run.errors,
      starts: run.starts,
      evictions: run.evictions,
      nodesMost: run.nodesMost,
      reference: { starts: reference.starts, evictions: reference.evictions },
    };
  }
}

const totalsOf = ({ responseMs, nodeMs, errors, calls }: Run2020): Totals2020 => ({
  response: responseMs.map((ms) => ms / 1e3),
  nodeDuration: nodeMs / 1e3,
  errorRate: errors / (calls.reduce((sum, one) => sum + one, 0) + errors),
});
