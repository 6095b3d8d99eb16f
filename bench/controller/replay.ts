// A thousand functions called a hundred thousand times a second, as samples drawn once and replayed: what recording them costs the
// way of a call, and what folding and deciding cost the controller.

import { seededRandom } from "#runtime/seeded-random.ts";
import { advance, type ControllerState, type Rules } from "#runtime/placement/controller.ts";
import { costOf, type Demand } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import type { Capacity } from "#runtime/placement/optimal-shares.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import { NO_USAGE, type Sample } from "#runtime/profile/sample.ts";
import { SampleTally, type Tally } from "#runtime/profile/tally.ts";

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

interface Recorded {
  readonly sample: Sample;
  readonly elapsedUs: number;
}

export class Replay {
  readonly #options: ReplayOptions;
  readonly #windows: readonly (readonly Recorded[])[];
  readonly #rules: ReadonlyMap<string, Rules>;
  readonly #capacity: Capacity;

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
    const rules: Rules = { preferred: null, pinnedShare: null, weight: 1, p99UnderUs: null };
    this.#rules = new Map(functions.map(({ name }) => [name, rules]));
    this.#capacity = crowdedBy(
      functions.map(({ demand }) => demand),
      options.samplesPerSecond,
    );
  }

  get samples(): number {
    return this.#windows.reduce((sum, { length }) => sum + length, 0);
  }

  /** All windows, each taken at its end. */
  record(): readonly (readonly Tally[])[] {
    const tally = new SampleTally();
    return this.#windows.map((window) => {
      for (const { sample, elapsedUs } of window) tally.record(sample, elapsedUs);
      return tally.take().tallies;
    });
  }

  /** What a controller does with them, for so many rounds of all windows. How many functions it has placed. */
  decide(windows: readonly (readonly Tally[])[], rounds: number): number {
    const { windowMs } = this.#options;
    const profiles = new Profiles();
    let state: ControllerState = new Map();
    let nowMs = 0;
    for (let round = 0; round < rounds; round++) {
      for (const tallies of windows) {
        nowMs += windowMs;
        const shifted = new Set(profiles.fold(tallies, nowMs, windowMs));
        const situation = { nowMs, profiles, shifted, constants: DEFAULT_CONSTANTS, capacity: this.#capacity };
        state = advance(state, { ...situation, rules: this.#rules }).state;
      }
    }
    return [...state.values()].filter(({ state: named }) => named !== "profiling").length;
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
    lockUs: side === "storage" ? operations * DEFAULT_CONSTANTS.storage.lockUs : 0,
  } as const;
  return { sample, elapsedUs: wallUs + terms.call };
}

/** So little that not all can be where they are best: the decision has the most to weigh up then. */
function crowdedBy(demands: readonly Demand[], callsPerSecond: number): Capacity {
  const cores = (demands.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / demands.length / 1e6) * callsPerSecond;
  return {
    computeCores: 0.7 * cores,
    storageCores: 0.5 * cores,
    storageMachineCores: 0.5 * cores + 1,
    sharedCores: Infinity,
    redisThread: 1,
    callers: 10_000,
  };
}
