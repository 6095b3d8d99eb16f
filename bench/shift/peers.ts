// The rows of `shift`: each scenario under the best fixed shares of each of its stages, under locus, and, for the load that Kayak was
// made for, under Kayak.

import type { Peer } from "../harness/contest.ts";
import { linePlotSvg } from "#runtime/plot.ts";
import { medianOf } from "../harness/statistics.ts";
import type { Shares } from "../placement/best-shares.ts";
import type { Calls } from "../placement/load.ts";
import type { Moves } from "../placement/main-load.ts";
import { findBestShares } from "../placement/measure.ts";
import { partsUnder, sharesUnder, type NewNames } from "../placement/new-names.ts";
import type { RuleName } from "../placement/rule-names.ts";
import type { SplitStack } from "../placement/split-stack.ts";
import { endsBetween, secondsToAdapt } from "./adaptation.ts";
import type { Scenario, Stage } from "./scenarios.ts";

/** By kind of stage. */
export type BestShares = ReadonlyMap<string, Shares>;

export type Driver = "best fixed shares" | "auto" | "Kayak";

export const doneRow = (scenario: string, driver: Driver): string => `${scenario}, ${driver}`;
export const ADAPT_ROW = "seconds to adapt";
export const ADAPT_WORST_ROW = "seconds to adapt, the slowest";
export const FAILED_ROW = "failed or doubled";

/** A write that a scenario may hold counts in this key. */
const COUNT_FUNCTION = "top-k";
const COUNT_KEY = "top-k";

export async function findAllBestShares(
  stack: SplitStack,
  { stages, disturbance }: Scenario,
  tryMs: number,
): Promise<BestShares> {
  const best = new Map<string, Shares>();
  for (const { kind, parts, callers, disturbed } of stages) {
    if (best.has(kind)) continue;
    if (disturbed) disturbance?.start();
    best.set(kind, await findBestShares(stack, parts, callers, tryMs));
    if (disturbed) await disturbance?.stop();
  }
  return best;
}

interface Run {
  readonly calls: Calls;
  /** Beginning of each stage, and the end of the last. */
  readonly bordersMs: readonly number[];
  readonly failed: number;
  /** By the plan, meanwhile; null where it was not followed. */
  readonly moved: Moves | null;
}

export class ScenarioPeers {
  readonly #stack: SplitStack;
  readonly #scenario: Scenario;
  readonly #best: BestShares;
  /** Of the repetition that is under way. */
  readonly #runs = new Map<Driver, Run>();

  constructor(stack: SplitStack, scenario: Scenario, best: BestShares) {
    this.#stack = stack;
    this.#scenario = scenario;
    this.#best = best;
  }

  get name(): string {
    return this.#scenario.name;
  }

  /** Calls per second from the second stage on. */
  peer(driver: Driver): Peer {
    const { name } = this.#scenario;
    return {
      name: doneRow(name, driver),
      unit: "calls/s",
      run: async () => {
        const run = await this.#stack.underNewNames(functionsOf(this.#scenario), (names) => this.#drive(driver, names));
        this.#runs.set(driver, run);
        const [fromMs, untilMs] = [run.bordersMs[1]!, run.bordersMs.at(-1)!];
        const storage = run.calls.atStorage.reduce((sum, one) => sum + one, 0) / run.calls.atStorage.length;
        const probes = run.calls.isProbe.reduce((sum, one) => sum + one, 0) / run.calls.isProbe.length;
        const value = endsBetween(run.calls.endMs, fromMs, untilMs) / ((untilMs - fromMs) / 1e3);
        return { value, details: { storageShare: storage, probeShare: probes, ...run.moved } };
      },
    };
  }

  /** For each change, how long it took; from the runs of this repetition. */
  adaptationsS(driver: Driver): readonly number[] {
    const best = this.#ran("best fixed shares");
    const { calls, bordersMs } = this.#ran(driver);
    return this.#scenario.stages.slice(1).map(({ kind }, index) => {
      const [fromMs, untilMs] = [bordersMs[index + 1]!, bordersMs[index + 2]!];
      const endMs = calls.endMs.filter((ms, call) => ms - calls.elapsedUs[call]! / 1e3 >= fromMs);
      return secondsToAdapt(endMs, fromMs, untilMs, this.#rateOf(kind, best));
    });
  }

  failed(driver: Driver): number {
    return this.#ran(driver).failed;
  }

  /** Of the last repetition: calls per second over time. */
  plot(drivers: readonly Driver[]): string {
    const title = `${this.#scenario.name}: answers over time`;
    const stepMs = Math.max(50, (this.#scenario.stages[0]?.ms ?? 0) / 40);
    const { bordersMs } = this.#ran(drivers[0]!);
    const lines = drivers.map((driver) => {
      const { calls } = this.#ran(driver);
      const steps = Math.floor(bordersMs.at(-1)! / stepMs);
      const points = Array.from({ length: steps }, (_, step): [number, number] => {
        const done = endsBetween(calls.endMs, step * stepMs, (step + 1) * stepMs);
        return [(step * stepMs) / 1e3, (done * 1e3) / stepMs];
      });
      return [driver, points] as const;
    });
    const marks = bordersMs.slice(1, -1).map((ms) => ms / 1e3);
    return linePlotSvg({ title, xUnit: "s", yUnit: "calls/s", lines: Object.fromEntries(lines), marks });
  }

  #ran(driver: Driver): Run {
    const run = this.#runs.get(driver);
    if (run === undefined) throw new Error(`${this.#scenario.name} was not run under ${driver}`);
    return run;
  }

  /** In the second halves of the stages of that kind. */
  #rateOf(kind: string, { calls, bordersMs }: Run): number {
    const rates = this.#scenario.stages.flatMap((stage, index) => {
      if (stage.kind !== kind || index === 0) return [];
      const [fromMs, untilMs] = [(bordersMs[index]! + bordersMs[index + 1]!) / 2, bordersMs[index + 1]!];
      return [endsBetween(calls.endMs, fromMs, untilMs) / ((untilMs - fromMs) / 1e3)];
    });
    return Math.max(1, medianOf(rates));
  }

  async #drive(driver: Driver, names: NewNames): Promise<Run> {
    const { name, stages, disturbance } = this.#scenario;
    const bordersMs = stages.reduce((borders, { ms }) => [...borders, borders.at(-1)! + ms], [0]);
    const phases = stages.map(({ ms, parts, callers, kind }) => ({
      ms,
      parts: partsUnder(names, parts),
      arrivals: { callers },
      ...(driver === "best fixed shares" ? { shares: sharesUnder(names, this.#best.get(kind)!) } : {}),
    }));
    const countedBefore = await this.#counted();
    const running = this.#stack.load.ask<Calls>({
      kind: "load",
      phases,
      rule: ruleOf(driver),
      memory: `${name}, ${driver}`,
    });
    const disturbing = disturbance === null ? Promise.resolve() : disturb(stages, disturbance);
    const [calls] = await Promise.all([running, disturbing]);
    const refused = calls.ok.length - calls.ok.reduce((sum, one) => sum + one, 0);
    const madeTwice = (await this.#counted()) - countedBefore - countsIn(stages, calls);
    const functions = [...names.values()];
    const moved = driver === "auto" ? await this.#stack.load.ask<Moves>({ kind: "moves", functions }) : null;
    return { calls, bordersMs, failed: refused + Math.abs(madeTwice), moved };
  }

  /** All that was ever counted. */
  async #counted(): Promise<number> {
    const flat = await this.#stack.client.zrevrange(COUNT_KEY, 0, -1, "WITHSCORES");
    return flat.reduce((sum, word, index) => sum + (index % 2 === 1 ? Number(word) : 0), 0);
  }
}

/** Each once. */
const functionsOf = ({ stages }: Scenario): readonly string[] => [
  ...new Set(stages.flatMap(({ parts }) => parts.map((part) => part.function))),
];

const ruleOf = (driver: Driver): RuleName => (driver === "Kayak" ? { kind: "Kayak" } : { kind: "auto" });

/** Calls of the counting function that went well. A part has the same place in all stages. */
function countsIn(stages: readonly Stage[], { part, ok }: Calls): number {
  const place = stages[0]!.parts.findIndex(({ function: name }) => name === COUNT_FUNCTION);
  return part.reduce((sum, one, index) => sum + (one === place ? ok[index]! : 0), 0);
}

/** At work during the stages that say so. */
async function disturb(stages: readonly Stage[], disturbance: { start(): void; stop(): Promise<void> }): Promise<void> {
  for (const { ms, disturbed } of stages) {
    if (disturbed) disturbance.start();
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (disturbed) await disturbance.stop();
  }
}
