// A placement loop whose time passes with the windows that a test gives it.

import type { Step } from "#runtime/placement/controller.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import type { Placement } from "#runtime/placement/plan.ts";
import { FREE_RULES } from "#runtime/placement/situation.ts";
import type { Transition } from "#runtime/placement/transition.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { SampleTally, type Tally } from "#runtime/profile/tally.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import type { Storage } from "./capacity.ts";
import { readWindow, type Machine } from "./messages.ts";
import { PlacementLoop } from "./placement-loop.ts";

const MACHINE: Machine = { id: "m", cpus: [0, 1], cores: 2 };
/** As many cores as storage has: two functions that are alike may as well change sides. */
export const ONE_CORE: Machine = { ...MACHINE, cpus: [0], cores: 1 };
const STORAGE: Storage = {
  machine: { id: "storage", cpus: [0], cores: 1 },
  isolatesMax: 1_000,
  isOpen: true,
  findsReads: true,
};

/** Calls of one function in a window. */
export interface Calls {
  readonly count: number;
  readonly cpuUs?: number;
  readonly rounds?: number;
  readonly waitUs?: number;
  readonly findable?: number;
}

/** Replays calls as windows. */
export class Replay implements Disposable {
  readonly loop: PlacementLoop;
  readonly plans: ReadonlyMap<string, Placement>[] = [];
  readonly transitions: Transition[] = [];
  /** Times of the steps. */
  readonly steps: number[] = [];
  nowMs = 0;
  version: string | null = null;
  otherVersions = 0;
  machine = MACHINE;
  isolatesMax: number | null = null;
  readonly #storage: Storage;
  #last: Step | null = null;

  constructor(functions = 1, storage: Partial<Storage> = {}) {
    this.#storage = { ...STORAGE, ...storage };
    const rules = new Map(Array.from({ length: functions }, (_, at) => [`f${at}`, FREE_RULES]));
    this.loop = new PlacementLoop(
      {
        rules: () => rules,
        currentVersion: () => this.version,
        onOtherVersion: () => (this.otherVersions += 1),
        surroundings: () => ({ constants: DEFAULT_CONSTANTS, storage: { ...STORAGE, ...storage } }),
        onPlacements: (placements) => this.plans.push(placements),
        onTransition: (transition) => this.transitions.push(transition),
        nowMs: () => this.nowMs,
      },
      new Map(),
      new Map(),
    );
  }

  [Symbol.dispose](): void {
    this.loop.close();
  }

  /** Windows of one node. Calls run where the plan has them, and one in eight visits the other side while asked to. */
  run(ms: number, calls: Readonly<Record<string, Calls>>, { inFlight = 1, nodeCores = 0.5 } = {}): this {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += WINDOW_MS;
      const window = { ...this.#windowOf(calls), inFlight, nodeCores, hostCores: null };
      const { machine, isolatesMax } = this;
      this.loop.take({ node: "n", machine, isolatesMax, ...window });
      if (this.loop.step !== this.#last) this.steps.push(this.nowMs);
      this.#last = this.loop.step;
    }
    return this;
  }

  direct(calls: Readonly<Record<string, Calls>>): void {
    this.loop.takeDirect(this.#windowOf(calls));
  }

  /** A window as any client of Redis may have published it. */
  hear(stretchMs: number, tallies: readonly Tally[], inFlight = 1): void {
    this.nowMs += WINDOW_MS;
    const window = { node: "n", machine: MACHINE, isolatesMax: null, stretchMs, tallies, inFlight };
    this.loop.take(readWindow(JSON.stringify({ ...window, nodeCores: 4_096, hostCores: 4_096 }))!);
  }

  gaps(fromStep: number): readonly number[] {
    return this.steps.slice(fromStep + 1).map((ms, at) => ms - this.steps[fromStep + at]!);
  }

  /** More functions run there than there is memory for isolates. */
  #isFull(names: readonly string[]): Readonly<Record<Side, boolean>> {
    const shares = names.map((name) => this.loop.functions.get(name)?.share ?? 0);
    return {
      compute: shares.filter((share) => share < 1).length > (this.isolatesMax ?? Infinity),
      storage: shares.filter((share) => share > 0).length > this.#storage.isolatesMax,
    };
  }

  #windowOf(calls: Readonly<Record<string, Calls>>) {
    const tally = new SampleTally();
    const full = this.#isFull(Object.keys(calls));
    for (const [name, { count, cpuUs = 100, rounds = 0, waitUs = 0, findable = 0 }] of Object.entries(calls)) {
      const { share = 0, probeEvery = 0 } = this.loop.functions.get(name) ?? {};
      const opened = new Set<Side>();
      for (let call = 0; call < count; call++) {
        const isHome = !(probeEvery > 0 && call % 8 === 0);
        const side: Side = call / count < share === isHome ? "storage" : "compute";
        const size = 0.9 + (0.2 * call) / count;
        const wallUs = size * (cpuUs + (side === "storage" ? waitUs / 5 : waitUs)) + 10;
        const moved = { operations: rounds, rounds, findableOperations: findable, findableRounds: findable };
        const sample = { ...NO_USAGE, ...moved, function: name, version: this.version ?? "1", side, outcome: "ok" };
        // The isolate was closed for another function since the last window.
        const startUs = full[side] && !opened.has(side) ? OPENING_US : 0;
        opened.add(side);
        const times = { cpuUs: size * cpuUs, wallUs: wallUs + startUs, queueUs: startUs, startUs };
        tally.record({ ...sample, ...times }, wallUs + startUs + 20);
      }
    }
    return { stretchMs: WINDOW_MS, inFlight: 1, tallies: tally.take().tallies };
  }
}

const OPENING_US = 5_000;

/** Calls that wait for twenty round trips: faster at storage. */
export const WALKS: Calls = { count: 16, rounds: 20, waitUs: 1_400 };
