// What a decider came to in each suite, and how two runs differ, world by world.

import type { Stretch } from "./simulate.ts";

/** From here on a steady load should be left alone. */
export const CALM_FROM_MS = 10_000;
const MINUTE_MS = 60_000;

/** Of one world. */
export interface WorldResult {
  /** Calls that the best fixed shares would have done and the decider's did not, as a fraction. */
  readonly missed: number;
  readonly movesPerMinute: number;
  readonly reversals: number;
  /** Part of the calls that ran in trials. */
  readonly tried: number;
}

/** `fromMs`: misses are counted from here on; `calmFromMs`: moves and trials. */
export function worldResult(stretches: readonly Stretch[], fromMs: number, calmFromMs: number): WorldResult {
  const late = stretches.filter(({ ms }) => ms >= fromMs);
  const calm = stretches.filter(({ ms }) => ms >= calmFromMs);
  const sum = (of: readonly Stretch[], value: (one: Stretch) => number): number =>
    of.reduce((total, one) => total + value(one), 0);
  const stretchMs = stretches.length > 1 ? stretches[1]!.ms - stretches[0]!.ms : 1;
  const minutes = (calm.length * stretchMs) / MINUTE_MS;
  return {
    missed:
      1 -
      sum(late, ({ done }) => done) /
        Math.max(
          1e-9,
          sum(late, ({ doneByBest }) => doneByBest),
        ),
    movesPerMinute: sum(calm, ({ moves }) => moves) / Math.max(1e-9, minutes),
    reversals: sum(stretches, ({ reversals }) => reversals),
    tried:
      sum(calm, ({ tried }) => tried) /
      Math.max(
        1e-9,
        sum(calm, ({ done }) => done),
      ),
  };
}

export interface RunResult {
  readonly decider: string;
  readonly seed: number;
  readonly commit: string;
  readonly suites: Readonly<Record<string, readonly WorldResult[]>>;
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Standard error of the mean. */
function errorOf(values: readonly number[]): number {
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1) / values.length);
}

export const HEADS = ["SUITE", "WORLDS", "MISSED", "±", "MOVES/MIN", "REVERSALS", "IN TRIALS"] as const;

export const rowOf = (suite: string, worlds: readonly WorldResult[]): string[] => {
  const missed = worlds.map((one) => one.missed);
  const mean = (of: (one: WorldResult) => number): number => meanOf(worlds.map(of));
  return [
    suite,
    String(worlds.length),
    meanOf(missed).toFixed(4),
    errorOf(missed).toFixed(4),
    mean((one) => one.movesPerMinute).toFixed(2),
    mean((one) => one.reversals).toFixed(2),
    `${(100 * mean((one) => one.tried)).toFixed(2)} %`,
  ];
};

export const DIFFERENCE_HEADS = ["SUITE", "WORLDS", "MISSED THEN", "NOW", "DIFFERENCE", "±"] as const;

/** Paired: the same worlds in both runs. */
export function differenceRows(before: RunResult, now: RunResult): string[][] {
  const all: number[] = [];
  const rows = Object.entries(now.suites).flatMap(([suite, worlds]) => {
    const others = before.suites[suite];
    if (others?.length !== worlds.length) return [];
    const differences = worlds.map(({ missed }, at) => missed - others[at]!.missed);
    all.push(...differences);
    const [then, after] = [others, worlds].map((ones) => meanOf(ones.map(({ missed }) => missed)).toFixed(4));
    return [
      [suite, String(worlds.length), then!, after!, meanOf(differences).toFixed(4), errorOf(differences).toFixed(4)],
    ];
  });
  return [...rows, ["all", String(all.length), "", "", meanOf(all).toFixed(4), errorOf(all).toFixed(4)]];
}
