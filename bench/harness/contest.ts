// Several ways to do the same work, measured against each other: in turn, so that whatever disturbs the machine for a while disturbs all of
// them, and a ratio compares what was measured side by side. First in the order in which they are given, then each time in another
// one (A B C, B C A, C A B, A C B, …): whoever came after the same one every time would find the caches that this one leaves. Where there are
// many of several works, those of one can be a group, whose turns are over before the next one's begin.

import { seededRandom } from "#runtime/seeded-random.ts";
import { Allowance, roomUntil, type Pace } from "./allowance.ts";
import { mayComeTo, medianOf, spreadOf, type Spread } from "./statistics.ts";

/** One repetition of one peer. */
export interface Measure {
  /** In the peer's unit. */
  readonly value: number;
  /** Of single calls, where the peer makes calls whose latency means something. */
  readonly p50Us?: number;
  readonly p99Us?: number;
  /** Figures beside the matter, each with its unit in its name: `cpuUsPerGet`. */
  readonly details?: Readonly<Record<string, number>>;
}

export interface Peer {
  readonly name: string;
  /** Of its values: "GETs/s". */
  readonly unit: string;
  /** Nothing, or less, is a figure here (a regret, a number of failures), and no sign of a measurement that failed. */
  readonly canBeNothing?: true;
  /** Peers of one group have all their turns before those of the next begin; those of none are one as well. */
  readonly group?: string;
  /** It tells of what these of its group did in the same turn, and so comes after them, in each turn that any of them takes. */
  readonly tellsOf?: readonly string[];
  /** What its turns take where nothing is in the way, the first one and each other; nothing unless said. Where a run has an end it is kept by this. */
  readonly turnMs?: { readonly first: number; readonly again: number };
  readonly run: () => Promise<Measure>;
  /** After its group's turns, whenever these have been made one after the other, and where one has failed; others of it may follow. */
  readonly end?: () => Promise<void>;
}

/** The value of a peer in one repetition. */
type ValueOf = (peer: string) => number;

/**
 * Of several peers the one whose median is greatest, or least, over the repetitions that all of them have who are not clearly behind: of noisy repetitions each on its own, the
 * greatest is often who was lucky.
 */
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
  /** So many repetitions share what its peers have come to at their first: they say once how far it may be off. Each says it unless said otherwise. */
  readonly together?: number;
}

/** Of comparisons: the one whose median is worst. The worst of each repetition would be the noisiest. */
export interface Worst extends Promised {
  readonly worstOf: readonly string[];
}

/** Of comparisons: the one whose median is best. */
export interface Best extends Promised {
  readonly bestOf: readonly string[];
}

/** Of comparisons: the median of their medians. */
export interface Middle extends Promised {
  readonly medianOf: readonly string[];
}

export type Ratio = Comparison | Worst | Best | Middle;

export interface Repeats {
  /** Of all peers, before anything counts: compilers and caches warm up. */
  readonly warmUps: number;
  readonly repetitions: number;
  /** For repetitions of peers of which it is open whether a ratio reaches its bound, in all groups together. None unless said. */
  readonly extraMs?: number;
  /** From the start of the process: these are only as many as leave the other turns time until then. They may take what there is unless said. */
  readonly endsWithinMs?: number;
}

/** By peer, in the order of the repetitions; the warm-ups are left out. Some have more than others. */
export type Measures = ReadonlyMap<string, readonly Measure[]>;

/**
 * In the order of the groups' first peers. `onTurn` is told who comes next. `undecided`: of a group's peers those that are
 * to be measured once more, if there is time; who sits out a turn has none after it.
 */
export async function interleave(
  peers: readonly Peer[],
  { warmUps, repetitions, extraMs = 0, endsWithinMs = Infinity }: Repeats,
  onTurn: (text: string) => void,
  undecided: (measures: Measures) => ReadonlySet<string> = () => new Set(),
): Promise<Measures> {
  const measures = new Map<string, Measure[]>(peers.map(({ name }) => [name, []]));
  const groups = [...Map.groupBy(peers, (peer) => peer.group).values()];
  const extra = new Allowance(extraMs);
  const random = seededRandom(1);
  /** Turns of those who are undecided, while there is time for the group. */
  const takeFurther = async ({ group, turns, taking }: Further): Promise<Further> => {
    const ofGroup = new Map(group.map(({ name }) => [name, measures.get(name)!]));
    let [turn, left] = [turns, taking];
    while (extra.partMs > 0) {
      left = takingPart(left, undecided(ofGroup));
      if (left.length === 0) break;
      turn += 1;
      const beganMs = performance.now();
      for (const { name, run } of shuffled(left, random)) {
        onTurn(`repetition ${turn}, since it is undecided: ${name}`);
        ofGroup.get(name)!.push(await run());
      }
      extra.spend(performance.now() - beganMs);
    }
    return { group, turns: turn, taking: left };
  };
  const plannedMs = (those: readonly Peer[]): number =>
    those.reduce(
      (sum, { turnMs: { first, again } = NOTHING_MS }) => sum + first + (warmUps + repetitions - 1) * again,
      0,
    );
  let pace: Pace = { plannedMs: 0, tookMs: 0 };
  let open: Further[] = [];
  extra.beginPass(groups.length);
  for (const [index, group] of groups.entries()) {
    await using _ends = endsOf(group);
    const groupBeganMs = performance.now();
    for (let turn = 1 - warmUps; turn <= repetitions; turn++) {
      for (const { name, run } of turn <= 1 ? inOrder(group) : shuffled(group, random)) {
        onTurn(turn < 1 ? `warm-up: ${name}` : `repetition ${turn} of ${repetitions}: ${name}`);
        if (turn < 1) await run();
        else measures.get(name)!.push(await run());
      }
    }
    const nowMs = performance.now();
    pace = { plannedMs: pace.plannedMs + plannedMs(group), tookMs: pace.tookMs + nowMs - groupBeganMs };
    const later = groups.slice(index + 1).flat();
    extra.beginPart(groups.length - index, roomUntil(endsWithinMs, nowMs, pace, plannedMs(later)));
    open.push(await takeFurther({ group, turns: repetitions, taking: group }));
  }
  // What is left is for those that are still undecided, once more and again.
  for (;;) {
    open = open.filter(({ taking }) => taking.length > 0);
    if (open.length === 0 || extra.leftMs <= 0 || performance.now() >= endsWithinMs) break;
    extra.beginPass(open.length);
    for (const [index, further] of open.entries()) {
      await using _ends = endsOf(further.taking);
      extra.beginPart(open.length - index, Math.max(0, endsWithinMs - performance.now()));
      open[index] = await takeFurther(further);
    }
  }
  return measures;
}

/** A group after so many turns, and those of it that are to take more. */
interface Further {
  readonly group: readonly Peer[];
  readonly turns: number;
  readonly taking: readonly Peer[];
}

function endsOf(group: readonly Peer[]): AsyncDisposableStack {
  const ends = new AsyncDisposableStack();
  for (const { end } of group) if (end !== undefined) ends.defer(end);
  return ends;
}

const NOTHING_MS = { first: 0, again: 0 };

/** In some order, each as likely as any other (Fisher and Yates), but for those that come after the others. */
function shuffled(peers: readonly Peer[], random: () => number): readonly Peer[] {
  const left = [...peers];
  return inOrder(peers.map(() => left.splice(Math.floor(random() * left.length), 1)[0]!));
}

/** Who tells of others comes after them. */
const inOrder = (peers: readonly Peer[]): readonly Peer[] => [
  ...peers.filter(({ tellsOf }) => tellsOf === undefined),
  ...peers.filter(({ tellsOf }) => tellsOf !== undefined),
];

/** Those that are undecided, or that one tells of which is, and who tells of any of these. */
function takingPart(peers: readonly Peer[], undecided: ReadonlySet<string>): readonly Peer[] {
  const measured = new Set(
    peers.filter(({ name }) => undecided.has(name)).flatMap(({ name, tellsOf }) => tellsOf ?? [name]),
  );
  return peers.filter(({ name, tellsOf = [name] }) => tellsOf.some((one) => measured.has(one)));
}

/** What all repetitions of something came to. */
export interface Row extends Spread {
  /** A peer's, or a ratio's. */
  readonly name: string;
  readonly unit: string;
  /** A value of each; of a median of ratios their medians. */
  readonly repetitions: readonly number[];
  /** Medians over the repetitions. */
  readonly p50Us?: number;
  readonly p99Us?: number;
  readonly details?: Readonly<Record<string, number>>;
  /** Of a ratio: which way is better, what it must reach and what it aims at, where anything is asked of it. */
  readonly better?: Ratio["better"];
  readonly must?: number;
  readonly aim?: number;
}

export function peerRow({ name, unit }: Peer, measures: readonly Measure[]): Row {
  const repetitions = measures.map(({ value }) => value);
  const p50Us = medianWhereThere(measures.map((measure) => measure.p50Us));
  const p99Us = medianWhereThere(measures.map((measure) => measure.p99Us));
  const names = Object.keys(measures[0]?.details ?? {});
  const details = names.map((detail) => [detail, medianOf(measures.map((one) => one.details?.[detail] ?? NaN))]);
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

/** What a comparison came to in each repetition that has all whom it compares. */
interface Compared {
  readonly values: readonly number[];
  /** Whom it compares. */
  readonly peers: ReadonlySet<string>;
  /** Of those among which it looked for the most or the least who may be it. */
  readonly contenders: ReadonlySet<string>;
  /** Of these, and of those among which it looked for the most or the least, who was not measured. */
  readonly missing: string | null;
}

export function compared({ of, together = 1 }: Comparison, measures: Measures): Compared {
  const [peers, contenders] = [new Set<string>(), new Set<string>()];
  let missing: string | null = null;
  const allOf = (peer: string): readonly Measure[] => {
    const all = measures.get(peer) ?? [];
    if (all.length === 0) missing ??= peer;
    return all;
  };
  // By the repetitions that all of them have: who was measured more often was so at other times as well.
  const extreme = (names: readonly string[], sign: 1 | -1): string => {
    const turns = Math.min(...names.map((name) => allOf(name).length));
    if (turns === 0) return names[0]!;
    const valuesOf = (name: string): readonly number[] =>
      allOf(name)
        .slice(0, turns)
        .map(({ value }) => sign * value);
    const best = names.reduce((one, other) => (medianOf(valuesOf(other)) > medianOf(valuesOf(one)) ? other : one));
    const mayBeIt = (name: string): boolean => {
      const values = valuesOf(name);
      const behind = valuesOf(best).map((value, index) => value - values[index]!);
      return name === best || mayComeTo(behind, 0, together);
    };
    const rest = names.filter(mayBeIt);
    // Who was clearly behind may have had fewer turns than the others since.
    if (rest.length < names.length) return extreme(rest, sign);
    for (const name of rest) contenders.add(name);
    return best;
  };
  const standing: Standing = {
    mostOf: (names) => extreme(names, 1),
    leastOf: (names) => extreme(names, -1),
  };
  const valueIn = (repetition: number): number =>
    of((peer) => {
      peers.add(peer);
      return allOf(peer)[repetition]?.value ?? Number.NaN;
    }, standing);
  const values = [valueIn(0)];
  if (missing !== null) return { values: [], peers, contenders, missing };
  const repetitions = Math.min(...[...peers].map((peer) => allOf(peer).length));
  while (values.length < repetitions) values.push(valueIn(values.length));
  return { values, peers, contenders, missing };
}

/** The ratio is the median of the ratios of the repetitions, each taken between measurements that lie side by side. */
export function comparisonRow(name: string, comparison: Comparison, measures: Measures): Row {
  const { values, missing } = compared(comparison, measures);
  if (missing !== null) throw new Error(`${name} compares "${missing}", which was not measured`);
  return { name, unit: "ratio", ...spreadOf(values), repetitions: values };
}

/** The figure that a ratio comes to. */
export const figureOf = ({ median, min, max }: Row, { counts, better }: Ratio): number =>
  counts === undefined ? median : better === "more" ? min : max;

/** `rows`: of the comparisons. */
export function rowAmong(name: string, ratio: Worst | Best | Middle, rows: readonly Row[]): Row {
  const names = among(ratio);
  const compared = rows.filter((row) => names.includes(row.name));
  if (compared.length < names.length || compared.length === 0) {
    throw new Error(`${name} is one of ${names.join(", ")}, or between them, and not all of these were measured`);
  }
  if ("medianOf" in ratio) {
    const medians = compared.map(({ median }) => median);
    return { name, unit: "ratio", ...spreadOf(medians), repetitions: medians };
  }
  const isLeastWanted = "worstOf" in ratio === (ratio.better === "more");
  const sign = isLeastWanted ? 1 : -1;
  const extreme = compared.reduce((one, other) => (sign * other.median < sign * one.median ? other : one));
  return { ...extreme, name };
}

/** Comparisons. */
export const among = (ratio: Worst | Best | Middle): readonly string[] =>
  "worstOf" in ratio ? ratio.worstOf : "bestOf" in ratio ? ratio.bestOf : ratio.medianOf;

function medianWhereThere(values: readonly (number | undefined)[]): number | undefined {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : medianOf(there);
}
