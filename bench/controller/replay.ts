// A thousand functions called a hundred thousand times a second, as samples drawn once and replayed: what recording them costs the
// way of a call, and what folding and deciding cost the controller.

import { setImmediate as endOfTurn, setTimeout } from "node:timers/promises";
import { seededRandom } from "#runtime/seeded-random.ts";
import { fieldsOf, planText, type Machine, type PlanChange, type SampleWindow } from "#compute/placement/messages.ts";
import { PlanWriter } from "#compute/placement/plan-writer.ts";
import { PlacementLoop, type Surroundings } from "#compute/placement/placement-loop.ts";
import { SampleWindows } from "#compute/placement/sample-window.ts";
import { FREE_RULES, type Rules } from "#runtime/placement/situation.ts";
import { costOf, lockUsOf, type Demand } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { NO_PLAN, type Plan } from "#runtime/placement/plan.ts";
import { NO_USAGE, type Sample, type Side } from "#runtime/profile/sample.ts";
import { SampleTally, termOf, type Tally } from "#runtime/profile/tally.ts";
import { WINDOW_MS, windowMsOf } from "#runtime/profile/window-length.ts";

export interface ReplayOptions {
  readonly functions: number;
  readonly samplesPerSecond: number;
}

const SEED = 1;
/** That is drawn, at least; a longer replay begins again with the first window. */
const DRAWN_MS = 1e3;
/** Different ones of each function on each side. More would be a heap of this benchmark's own that the collector of garbage goes through. */
const SAMPLES = 8;
/** Of calls, on the other side: what a controller sees are probes and shares in between. */
const ELSEWHERE = 0.02;

/** Calls in flight. */
const CALLERS = 10_000;
/** That a node works for a call, µs: about as calibrated. */
const NODE_US = 20;

const NO_LOGS: readonly string[] = [];
const NO_ID = "";

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

interface Window {
  readonly lastedMs: number;
  readonly recorded: readonly Recorded[];
  /** Of these. */
  readonly tallies: readonly Tally[];
}

export class Replay {
  readonly #windows: readonly Window[];
  /** A node has one for as long as it runs. */
  readonly #recorder: SampleWindows;
  #windowsSent = 0;
  readonly #rules: ReadonlyMap<string, Rules>;
  readonly #machine: Machine;
  readonly #surroundings: Surroundings;

  constructor(options: ReplayOptions) {
    const random = seededRandom(SEED);
    const functions = Array.from({ length: options.functions }, (_, index) => ({
      name: `function-${index}`,
      demand: drawnDemand(random),
    }));
    const samples = functions.map((one) => {
      const { usual, elsewhere } = sidesOf(one.demand);
      const drawn = (side: Side): Recorded[] =>
        Array.from({ length: SAMPLES }, () => drawnSample(one, side, 0.7 + 0.6 * random()));
      return { usual: drawn(usual), elsewhere: drawn(elsewhere) };
    });
    const oneOf = <One>(some: readonly One[]): One => some[Math.floor(random() * some.length)]!;
    const draw = (): Recorded => oneOf(oneOf(samples)[random() < ELSEWHERE ? "elsewhere" : "usual"]);
    const windows: Window[] = [];
    for (let ms = 0; ms < DRAWN_MS; ms += windows.at(-1)!.lastedMs) windows.push(drawnWindow(draw, options));
    this.#windows = windows;
    this.#rules = new Map(functions.map(({ name }) => [name, FREE_RULES]));
    // So few that not all functions can be where they are best: the decision has the most to weigh up then.
    const cores = coresFor(
      functions.map(({ demand }) => demand),
      options.samplesPerSecond,
    );
    this.#machine = machineOf("nodes", 0.7 * cores);
    const storage = {
      machine: machineOf("storage", 0.5 * cores),
      isolatesMax: Infinity,
      isOpen: true,
      findsReads: true,
    };
    this.#surroundings = { constants: DEFAULT_CONSTANTS, storage };
    this.#recorder = new SampleWindows({
      node: "node",
      machine: () => this.#machine,
      inFlight: () => CALLERS,
      hostsCpuUs: () => null,
      isolatesMax: () => null,
      onWindow: () => this.#windowsSent++,
    });
  }

  get samples(): number {
    return this.#windows.reduce((sum, { recorded }) => sum + recorded.length, 0);
  }

  /** Of load, in all windows. */
  get seconds(): number {
    return this.#windows.reduce((sum, { lastedMs }) => sum + lastedMs, 0) / 1e3;
  }

  /** All calls, as a node records them: a sample is made of each, and a window is sent at its end. */
  async record(): Promise<void> {
    for (const { recorded } of this.#windows) {
      const sent = this.#windowsSent + 1;
      for (const { sample, elapsedUs } of recorded) {
        this.#recorder.ran({ ...sample }, elapsedUs, NO_LOGS, NO_ID, 0);
      }
      this.#recorder.endEarly();
      while (this.#windowsSent < sent) await setTimeout(WINDOW_MS);
    }
  }

  /** As they reach the controller. */
  windows(): readonly SampleWindow[] {
    return this.#windows.map(({ lastedMs: stretchMs, tallies }) => {
      const workedUs = tallies.reduce((sum, { sums }) => sum + NODE_US * termOf(sums, "calls"), 0);
      const nodeCores = workedUs / (1e3 * stretchMs);
      return {
        node: "node",
        machine: this.#machine,
        isolatesMax: null,
        stretchMs,
        tallies,
        inFlight: CALLERS,
        nodeCores,
        hostCores: null,
      };
    });
  }

  /** What a controller does with them, for so many rounds of all windows. */
  async decide(windows: readonly SampleWindow[], rounds: number): Promise<Decided> {
    let nowMs = 0;
    const changes: PlanChange[] = [];
    const plans: Plan[] = [];
    const writer = new PlanWriter({
      found: NO_PLAN,
      followed: 0,
      recordOf: (name) => loop.recordOf(name),
      write: async (change) => {
        changes.push(change);
        return true;
      },
      onWritten: (plan) => plans.push(plan),
      onFailed: () => {},
      onDeposed: () => {},
    });
    const loop = new PlacementLoop(
      {
        rules: () => this.#rules,
        currentVersion: () => "1",
        onOtherVersion: () => {},
        surroundings: () => this.#surroundings,
        onPlacements: (placements) => writer.want(placements),
        onTransition: (transition) => writer.record(transition.function),
        nowMs: () => nowMs,
      },
      new Map(),
      new Map(),
    );
    for (let round = 0; round < rounds; round++) {
      for (const window of windows) {
        nowMs += window.stretchMs;
        loop.take(window);
        // A plan is written by then.
        await endOfTurn();
      }
    }
    loop.close();
    writer.close();
    return { placed: [...loop.functions.values()].filter(({ state }) => state !== "profiling").length, changes, plans };
  }
}

/** As long as a node would have it. */
function drawnWindow(draw: () => Recorded, { samplesPerSecond }: ReplayOptions): Window {
  const tally = new SampleTally();
  const recorded: Recorded[] = [];
  let lastedMs = 0;
  while (lastedMs < windowMsOf(tally.size)) {
    const one = draw();
    tally.record(one.sample, one.elapsedUs);
    recorded.push(one);
    lastedMs += 1e3 / samplesPerSecond;
  }
  return { lastedMs, recorded, tallies: tally.take().tallies };
}

/** From one read to hundreds, and from microseconds to milliseconds of computing: each power of ten as likely. */
function drawnDemand(random: () => number): Demand {
  const rounds = Math.ceil(20 ** random());
  const operations = Math.ceil(rounds * 10 ** random());
  return { operations, rounds, bytes: operations * 200, cpuUs: 10 * 300 ** random() };
}

/** By how long a call takes. */
function sidesOf(demand: Demand): Readonly<Record<"usual" | "elsewhere", Side>> {
  const latencyUs = (side: Side): number => costOf(side, demand, DEFAULT_CONSTANTS).latencyUs;
  return latencyUs("storage") < latencyUs("compute")
    ? { usual: "storage", elsewhere: "compute" }
    : { usual: "compute", elsewhere: "storage" };
}

/** `size`: of one call, to the usual one. */
function drawnSample(
  { name, demand }: { readonly name: string; readonly demand: Demand },
  side: Side,
  size: number,
): Recorded {
  const { latencyUs, terms } = costOf(side, demand, DEFAULT_CONSTANTS);
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
    lockUs: side === "storage" ? lockUsOf(DEFAULT_CONSTANTS.storage, { operations, bytes }) : 0,
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
