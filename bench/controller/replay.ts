// A thousand functions called a hundred thousand times a second, as samples drawn once and replayed: what recording them costs the
// way of a call, and what folding and deciding cost the controller.

import { setImmediate as endOfTurn } from "node:timers/promises";
import { seededRandom } from "#runtime/seeded-random.ts";
import { fieldsOf, planText, type Machine, type PlanChange, type SampleWindow } from "#compute/placement/messages.ts";
import { PlanWriter } from "#compute/placement/plan-writer.ts";
import { PlacementLoop, type Surroundings } from "#compute/placement/placement-loop.ts";
import { FREE_RULES, type Rules } from "#runtime/placement/situation.ts";
import { costOf, type Demand } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { NO_PLAN, type Plan } from "#runtime/placement/plan.ts";
import { NO_USAGE, type Sample } from "#runtime/profile/sample.ts";
import { SampleTally, termOf, type Tally } from "#runtime/profile/tally.ts";

export interface ReplayOptions {
  readonly functions: number;
  readonly samplesPerSecond: number;
  /** Of one window of samples. */
  readonly windowMs: number;
  /** Different windows; a longer replay begins again with the first. */
  readonly windows: number;
}

const SEED = 1;
/** Of calls, on the other side: what a controller sees are probes and shares in between. */
const ELSEWHERE = 0.02;

/** Calls in flight. */
const CALLERS = 10_000;
/** That a node works for a call, µs: about as calibrated. */
const NODE_US = 20;

/** What a replay came to. */
export interface Decided {
  /** Functions. */
  readonly placed: number;
  readonly changes: readonly PlanChange[];
  /** After each of these. */
  readonly plans: readonly Plan[];
}

/** What goes to Redis of all of them: the change as its fields and as the news of it, and to the module the plan. Its length. */
export const writtenLength = ({ changes, plans }: Decided): number =>
  changes
    .flatMap((change) => [...fieldsOf(change), JSON.stringify(change)])
    .concat(plans.map(planText))
    .reduce((sum, text) => sum + text.length, 0);

interface Recorded {
  readonly sample: Sample;
  readonly elapsedUs: number;
}

export class Replay {
  readonly #options: ReplayOptions;
  readonly #windows: readonly (readonly Recorded[])[];
  readonly #rules: ReadonlyMap<string, Rules>;
  readonly #machine: Machine;
  readonly #surroundings: Surroundings;

  constructor(options: ReplayOptions) {
    this.#options = options;
    const random = seededRandom(SEED);
    const functions = Array.from({ length: options.functions }, (_, index) => ({
      name: `function-${index}`,
      demand: drawnDemand(random),
    }));
    const perWindow = Math.round((options.samplesPerSecond * options.windowMs) / 1e3);
    this.#windows = Array.from({ length: options.windows }, () =>
      Array.from({ length: perWindow }, () => drawnSample(functions[Math.floor(random() * functions.length)]!, random)),
    );
    this.#rules = new Map(functions.map(({ name }) => [name, FREE_RULES]));
    // So few that not all functions can be where they are best: the decision has the most to weigh up then.
    const cores = coresFor(
      functions.map(({ demand }) => demand),
      options.samplesPerSecond,
    );
    this.#machine = machineOf("nodes", 0.7 * cores);
    const storage = { machine: machineOf("storage", 0.5 * cores), isolatesMax: Infinity, isOpen: true, redisThread: 1 };
    this.#surroundings = { constants: DEFAULT_CONSTANTS, storage };
  }

  get samples(): number {
    return this.#windows.reduce((sum, { length }) => sum + length, 0);
  }

  /** All calls, as a node records them; what a window came to is taken at its end. */
  record(): readonly (readonly Tally[])[] {
    const tally = new SampleTally();
    return this.#windows.map((window) => {
      for (const { sample, elapsedUs } of window) tally.record(sample, elapsedUs);
      return tally.take().tallies;
    });
  }

  /** As they reach the controller. */
  windows(): readonly SampleWindow[] {
    return this.record().map((tallies) => ({
      node: "node",
      machine: this.#machine,
      stretchMs: this.#options.windowMs,
      tallies,
      untracked: 0,
      inFlight: CALLERS,
      nodeCores:
        tallies.reduce((sum, { sums }) => sum + NODE_US * termOf(sums, "calls"), 0) / (1e3 * this.#options.windowMs),
    }));
  }

  /** What a controller does with them, for so many rounds of all windows. */
  async decide(windows: readonly SampleWindow[], rounds: number): Promise<Decided> {
    let nowMs = 0;
    const changes: PlanChange[] = [];
    const plans: Plan[] = [];
    const writer = new PlanWriter({
      found: NO_PLAN,
      followed: 0,
      write: async (change) => {
        changes.push(change);
        return "written";
      },
      onWritten: (plan) => plans.push(plan),
      onDeposed: () => {},
    });
    const loop = new PlacementLoop(
      {
        rules: () => this.#rules,
        surroundings: () => this.#surroundings,
        onPlacements: (placements) => writer.want(placements),
        onTransition: () => {},
        nowMs: () => nowMs,
      },
      new Map(),
    );
    for (let round = 0; round < rounds; round++) {
      for (const window of windows) {
        nowMs += this.#options.windowMs;
        loop.take(window);
        // A plan is written by then.
        await endOfTurn();
      }
    }
    loop.close();
    writer.close();
    return { placed: [...loop.state.values()].filter(({ state }) => state !== "profiling").length, changes, plans };
  }
}

/** From one read to hundreds, and from microseconds to milliseconds of computing: each power of ten as likely. */
function drawnDemand(random: () => number): Demand {
  const rounds = Math.ceil(20 ** random());
  const operations = Math.ceil(rounds * 10 ** random());
  return { operations, rounds, bytes: operations * 200, cpuUs: 10 * 300 ** random() };
}

function drawnSample(
  { name, demand }: { readonly name: string; readonly demand: Demand },
  random: () => number,
): Recorded {
  const [compute, storage] = [
    costOf("compute", demand, DEFAULT_CONSTANTS),
    costOf("storage", demand, DEFAULT_CONSTANTS),
  ];
  const better = storage.latencyUs < compute.latencyUs ? "storage" : "compute";
  const side = random() < ELSEWHERE ? (better === "storage" ? "compute" : "storage") : better;
  const { latencyUs, terms } = side === "storage" ? storage : compute;
  const size = 0.7 + 0.6 * random();
  const wallUs = (latencyUs - terms.call) * size;
  const { operations, rounds, bytes } = demand;
  const sample = {
    ...NO_USAGE,
    function: name,
    version: "1",
    side,
    outcome: "ok",
    wallUs,
    cpuUs: demand.cpuUs * size,
    operations,
    rounds,
    bytesIn: bytes,
    lockUs: side === "storage" ? operations * DEFAULT_CONSTANTS.storage.redisOperationUs : 0,
  } as const;
  return { sample, elapsedUs: wallUs + terms.call };
}

/** Of computing at once. */
const coresFor = (demands: readonly Demand[], callsPerSecond: number): number =>
  (demands.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / demands.length / 1e6) * callsPerSecond;

const machineOf = (id: string, cores: number): Machine => ({
  id,
  cores: Math.ceil(cores),
  cpus: Array.from({ length: Math.ceil(cores) }, (_, cpu) => cpu),
});
