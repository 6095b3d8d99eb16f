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
import { accountOf, type Account, type Counts } from "./account.ts";
import {
  attainable,
  type Begun,
  begunOf,
  endsBetween,
  isNearBest,
  rateBetween,
  secondsToAdapt,
  secondsToPlace,
  storageShare,
} from "./adaptation.ts";
import { COUNTS_KEY, type Scenario, type Stage } from "./scenarios.ts";

/** By kind of stage. */
export type BestShares = ReadonlyMap<string, Shares>;

export type Driver = "best fixed shares" | "auto" | "Kayak";

export const doneRow = (scenario: string, driver: Driver): string => `${scenario}, ${driver}`;
export const ADAPT_ROW = "seconds to adapt";
export const ADAPT_WORST_ROW = "seconds to adapt, the slowest";
export const FLOOR_ROW = "seconds to adapt, best fixed shares";
export const FLOOR_WORST_ROW = "seconds to adapt, best fixed shares, the slowest";
export const STRICT_ROW = "seconds to adapt, strictly";
export const STRICT_WORST_ROW = "seconds to adapt, strictly, the slowest";
export const PLACE_ROW = "seconds to place";
export const PLACE_WORST_ROW = "seconds to place, the slowest";
export const FAILED_ROW = "failed calls";
export const LOST_ROW = "lost calls";
export const DOUBLED_ROW = "doubled calls";

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
  readonly begun: readonly Begun[];
  /** Beginning of each stage, and the end of the last. */
  readonly bordersMs: readonly number[];
  /** Calls that were told so. */
  readonly failed: number;
  /** Of those that count themselves; null where none does. */
  readonly account: Account | null;
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
        const value = rateBetween(run.calls.endMs, fromMs, untilMs);
        return { value, details: { storageShare: storage, probeShare: probes, ...run.moved } };
      },
    };
  }

  /** For each change, how long it took; from the runs of this repetition. `isStrict`: whatever the machine's speed was. */
  adaptationsS(driver: Driver, isStrict: boolean): readonly number[] {
    const best = this.#ran("best fixed shares");
    const { calls, begun } = this.#ran(driver);
    return this.#changes(driver, ({ kind }, fromMs, untilMs) => {
      const endMs = calls.endMs.filter((ms, call) => ms - calls.elapsedUs[call]! / 1e3 >= fromMs);
      const halfMs = (fromMs + untilMs) / 2;
      const isPlaced = isNearBest(storageShare(begun, halfMs, untilMs), this.#shareOf(kind, best));
      const atLast = rateBetween(calls.endMs, halfMs, untilMs);
      return secondsToAdapt(
        endMs,
        fromMs,
        untilMs,
        attainable(this.#rateOf(kind, best), atLast, isPlaced && !isStrict),
      );
    });
  }

  /** The same of where calls go, whatever their rate. */
  placementsS(driver: Driver): readonly number[] {
    const best = this.#ran("best fixed shares");
    const { begun } = this.#ran(driver);
    return this.#changes(driver, ({ kind }, fromMs, untilMs) =>
      secondsToPlace(begun, fromMs, untilMs, this.#shareOf(kind, best)),
    );
  }

  #changes(driver: Driver, secondsOf: (stage: Stage, fromMs: number, untilMs: number) => number): readonly number[] {
    const { bordersMs } = this.#ran(driver);
    const after = this.#scenario.stages.slice(1);
    return after.map((stage, index) => secondsOf(stage, bordersMs[index + 1]!, bordersMs[index + 2]!));
  }

  failed(driver: Driver): number {
    return this.#ran(driver).failed;
  }

  account(driver: Driver): Account {
    return this.#ran(driver).account ?? { lost: 0, doubled: 0 };
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

  #rateOf(kind: string, { calls, bordersMs }: Run): number {
    const halves = this.#secondHalves(kind, bordersMs);
    return Math.max(1, medianOf(halves.map(([fromMs, untilMs]) => rateBetween(calls.endMs, fromMs, untilMs))));
  }

  /** At storage; null: none was called. */
  #shareOf(kind: string, { begun, bordersMs }: Run): number | null {
    const shares = this.#secondHalves(kind, bordersMs).map(([fromMs, untilMs]) => storageShare(begun, fromMs, untilMs));
    const known = shares.filter((share) => share !== null);
    return known.length === 0 ? null : medianOf(known);
  }

  /** Of the stages of that kind, the first aside. */
  #secondHalves(kind: string, bordersMs: readonly number[]): readonly (readonly [fromMs: number, untilMs: number])[] {
    return this.#scenario.stages.flatMap((stage, index) => {
      if (stage.kind !== kind || index === 0) return [];
      return [[(bordersMs[index]! + bordersMs[index + 1]!) / 2, bordersMs[index + 1]!] as const];
    });
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
    await this.#stack.client.del(COUNTS_KEY);
    const running = this.#stack.load.ask<Calls>({
      kind: "load",
      phases,
      rule: ruleOf(driver),
      memory: `${name}, ${driver}`,
    });
    const disturbing = disturbance === null ? Promise.resolve() : disturb(stages, disturbance);
    const [calls] = await Promise.all([running, disturbing]);
    const failed = calls.ok.length - calls.ok.reduce((sum, one) => sum + one, 0);
    const counted = countedPart(stages);
    const account = counted < 0 ? null : accountOf(calls, counted, await this.#counts());
    const functions = [...names.values()];
    const moved = driver === "auto" ? await this.#stack.load.ask<Moves>({ kind: "moves", functions }) : null;
    return { calls, begun: begunOf(calls), bordersMs, failed, account, moved };
  }

  async #counts(): Promise<Counts> {
    const fields = await this.#stack.client.hgetall(COUNTS_KEY);
    return new Map(Object.entries(fields).map(([call, times]) => [Number(call), Number(times)]));
  }
}

/** Each once. */
const functionsOf = ({ stages }: Scenario): readonly string[] => [
  ...new Set(stages.flatMap(({ parts }) => parts.map((part) => part.function))),
];

const ruleOf = (driver: Driver): RuleName => (driver === "Kayak" ? { kind: "Kayak" } : { kind: "auto" });

/** Its place among the parts, the same in all stages; -1: nobody counts. */
const countedPart = (stages: readonly Stage[]): number =>
  stages[0]!.parts.findIndex(({ countedIn }) => countedIn !== undefined);

/** At work during the stages that say so. */
async function disturb(stages: readonly Stage[], disturbance: { start(): void; stop(): Promise<void> }): Promise<void> {
  for (const { ms, disturbed } of stages) {
    if (disturbed) disturbance.start();
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (disturbed) await disturbance.stop();
  }
}
