// Several ways to do the same work, measured against each other: in turn (A B C A B C …), so that whatever disturbs the
// machine for a while disturbs all of them, and a ratio compares what was measured side by side. Where there are many of several
// works, those of one can be a group, whose turns are over before the next one's begin.

import { medianOf, spreadOf, type Spread } from "./statistics.ts";

/** One repetition of one peer. */
export interface Measure {
  /** In the peer's unit. */
  readonly value: number;
  /** Of single calls, where the peer makes calls whose latency means something. */
  readonly p50Us?: number;
  readonly p99Us?: number;
  /** Figures beside the matter, each with its unit in its name: `cpuUsPerGet`. */
  readonly details?: Readonly<Record<string, number>>;
  /** Before what counts: whatever disturbed it does not matter. Nothing unless said. */
  readonly leadInMs?: number;
  /** Whether the machine was slower than it can be; where that is known. */
  readonly isDisturbed?: boolean;
}

export interface Peer {
  readonly name: string;
  /** Of its values: "GETs/s". */
  readonly unit: string;
  /** Nothing, or less, is a figure here (a regret, a number of failures), and no sign of a measurement that failed. */
  readonly canBeNothing?: true;
  /** Peers of one group have all their turns before those of the next begin; those of none are one as well. */
  readonly group?: string;
  readonly run: () => Promise<Measure>;
  /** After its group's last turn, and where one has failed. */
  readonly end?: () => Promise<void>;
}

/** The value of a peer in one repetition. */
type ValueOf = (peer: string) => number;

/** Of several peers the one whose median is greatest, or least: of noisy repetitions each on its own, the greatest is often who was lucky. */
export interface Standing {
  readonly mostOf: (peers: readonly string[]) => string;
  readonly leastOf: (peers: readonly string[]) => string;
}

/** What a number that a benchmark exists for should come to. */
interface Promised {
  readonly better: "less" | "more";
  /** Where a bound is promised. */
  readonly must?: number;
  readonly aim?: number;
  /** As of a peer. */
  readonly canBeNothing?: true;
  /** What counts of the repetitions; the median unless said otherwise. */
  readonly counts?: "worst";
}

/** Of peers, within one repetition. */
export interface Comparison extends Promised {
  readonly of: (valueOf: ValueOf, standing: Standing) => number;
}

/** Of comparisons: the one whose median is worst. The worst of each repetition would be the noisiest. */
export interface Worst extends Promised {
  readonly worstOf: readonly string[];
}

/** Of comparisons: the one whose median is best. */
export interface Best extends Promised {
  readonly bestOf: readonly string[];
}

export type Ratio = Comparison | Worst | Best;

export interface Repeats {
  /** Of all peers, before anything counts: compilers and caches warm up. */
  readonly warmUps: number;
  readonly repetitions: number;
  /** For waiting until the cores are quick, and for measuring once more what was disturbed, in all turns together. None unless said: nobody looks then. */
  readonly extraMs?: number;
}

/** Who has what counts measured: at once, or when it is time. */
export interface Measuring {
  /** So many turns are left, this one included. */
  beginTurn(turnsLeft: number): void;
  measure(run: () => Promise<Measure>): Promise<Measure>;
}

const AT_ONCE: Measuring = { beginTurn: () => {}, measure: (run) => run() };

/** By peer, in the order of the repetitions; the warm-ups are left out. */
export type Measures = ReadonlyMap<string, readonly Measure[]>;

/** In the order of the groups' first peers. `onTurn` is told who comes next. */
export async function interleave(
  peers: readonly Peer[],
  { warmUps, repetitions }: Repeats,
  onTurn: (text: string) => void,
  measuring: Measuring = AT_ONCE,
): Promise<Measures> {
  const measures = new Map<string, Measure[]>(peers.map(({ name }) => [name, []]));
  const groups = Map.groupBy(peers, (peer) => peer.group);
  let turnsLeft = groups.size * repetitions;
  for (const group of groups.values()) {
    await using ends = new AsyncDisposableStack();
    for (const { end } of group) if (end !== undefined) ends.defer(end);
    for (let turn = 1 - warmUps; turn <= repetitions; turn++) {
      if (turn >= 1) measuring.beginTurn(turnsLeft--);
      for (const { name, run } of group) {
        onTurn(turn < 1 ? `warm-up: ${name}` : `repetition ${turn} of ${repetitions}: ${name}`);
        if (turn < 1) await run();
        else measures.get(name)?.push(await measuring.measure(run));
      }
    }
  }
  return measures;
}

/** What all repetitions of something came to. */
export interface Row extends Spread {
  /** A peer's, or a ratio's. */
  readonly name: string;
  readonly unit: string;
  readonly repetitions: readonly number[];
  /** Medians over the repetitions. */
  readonly p50Us?: number;
  readonly p99Us?: number;
  readonly details?: Readonly<Record<string, number>>;
}

export function peerRow({ name, unit }: Peer, measures: readonly Measure[]): Row {
  const repetitions = measures.map(({ value }) => value);
  const p50Us = medianWhereThere(measures.map((measure) => measure.p50Us));
  const p99Us = medianWhereThere(measures.map((measure) => measure.p99Us));
  const names = Object.keys(measures[0]?.details ?? {});
  const details = names.map((detail) => [detail, medianOf(measures.map((one) => one.details?.[detail] ?? NaN))]);
  const disturbed = measures.map(({ isDisturbed }) => isDisturbed).filter((is) => is !== undefined);
  if (disturbed.length > 0) details.push(["disturbedShare", disturbed.filter(Boolean).length / disturbed.length]);
  return {
    name,
    unit,
    ...spreadOf(repetitions),
    repetitions,
    ...(p50Us === undefined ? {} : { p50Us }),
    ...(p99Us === undefined ? {} : { p99Us }),
    ...(details.length === 0 ? {} : { details: Object.fromEntries(details) as Record<string, number> }),
  };
}

/** The ratio is the median of the ratios of the repetitions, each taken between measurements that lie side by side. */
export function comparisonRow(name: string, comparison: Comparison, measures: Measures, repetitions: number): Row {
  const of = (peer: string): readonly Measure[] => {
    const all = measures.get(peer) ?? [];
    if (all.length < repetitions) throw new Error(`${name} compares "${peer}", which was not measured`);
    return all;
  };
  const median = (peer: string): number => medianOf(of(peer).map(({ value }) => value));
  const extreme = (peers: readonly string[], isFurther: (one: number, other: number) => boolean): string =>
    peers.reduce((one, other) => (isFurther(median(other), median(one)) ? other : one));
  const standing: Standing = {
    mostOf: (peers) => extreme(peers, (one, other) => one > other),
    leastOf: (peers) => extreme(peers, (one, other) => one < other),
  };
  const values = Array.from({ length: repetitions }, (_, repetition) =>
    comparison.of((peer) => of(peer)[repetition]!.value, standing),
  );
  return { name, unit: "ratio", ...spreadOf(values), repetitions: values };
}

/** The figure that a ratio comes to. */
export const figureOf = ({ median, min, max }: Row, { counts, better }: Ratio): number =>
  counts === undefined ? median : better === "more" ? min : max;

/** `rows`: of the comparisons. */
export function extremeRow(name: string, ratio: Worst | Best, rows: readonly Row[]): Row {
  const [word, names] = "worstOf" in ratio ? ["worst", ratio.worstOf] : ["best", ratio.bestOf];
  const compared = rows.filter((row) => names.includes(row.name));
  if (compared.length < names.length || compared.length === 0) {
    throw new Error(`${name} is the ${word} of ${names.join(", ")}, and not all of these were measured`);
  }
  const isLeastWanted = (word === "worst") === (ratio.better === "more");
  const sign = isLeastWanted ? 1 : -1;
  const extreme = compared.reduce((one, other) => (sign * other.median < sign * one.median ? other : one));
  return { ...extreme, name };
}

function medianWhereThere(values: readonly (number | undefined)[]): number | undefined {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : medianOf(there);
}
