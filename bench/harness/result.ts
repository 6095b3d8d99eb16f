// A benchmark's result, as `--json` writes it. The same shape for all of them, so that results of different commits and
// machines can be laid side by side by a program.

import {
  comparisonRow,
  figureOf,
  peerRow,
  rowAmong,
  type Measures,
  type Peer,
  type Ratio,
  type Row,
} from "./contest.ts";
import type { Machine } from "./machine.ts";

export interface Result {
  readonly bench: string;
  readonly commit: string;
  readonly machine: Machine;
  /** Mode, seed, sizes, which cores, what shares what: whatever the figures depend on. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The peers', then the ratios' with their spread. */
  readonly rows: readonly Row[];
  readonly ratios: Readonly<Record<string, number>>;
}

export type Ratios = Readonly<Record<string, Ratio>>;

export function rowsOf(peers: readonly Peer[], ratios: Ratios, measures: Measures): readonly Row[] {
  const compared = Object.entries(ratios).flatMap(([name, ratio]) =>
    "of" in ratio ? [comparisonRow(name, ratio, measures)] : [],
  );
  const others = Object.entries(ratios).flatMap(([name, ratio]) =>
    "of" in ratio ? [] : [rowAmong(name, ratio, compared)],
  );
  const asked = [...compared, ...others].map((row) => ({ ...row, ...boundsOf(ratios[row.name]!) }));
  const rows = [...peers.map((peer) => peerRow(peer, measures.get(peer.name) ?? [])), ...asked];
  // A figure that is none (0 calls, a division by 0) would be null in JSON, and nobody would know why.
  const canBeNothing = new Set([
    ...peers.flatMap((peer) => (peer.canBeNothing ? [peer.name] : [])),
    ...Object.entries(ratios).flatMap(([name, ratio]) => (ratio.canBeNothing ? [name] : [])),
  ]);
  const isWrong = (name: string, value: number): boolean =>
    !Number.isFinite(value) || (value <= 0 && !canBeNothing.has(name));
  const wrong = rows.find(({ name, repetitions }) => repetitions.some((value) => isWrong(name, value)));
  if (wrong !== undefined) throw new Error(`"${wrong.name}" came to ${wrong.repetitions.join(", ")} ${wrong.unit}`);
  return rows;
}

const boundsOf = ({ better, must, aim }: Ratio): Pick<Row, "better" | "must" | "aim"> => ({
  better,
  ...(must === undefined ? {} : { must }),
  ...(aim === undefined ? {} : { aim }),
});

export const ratiosOf = (ratios: Ratios, rows: readonly Row[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    rows.flatMap((row) => {
      const ratio = row.unit === "ratio" ? ratios[row.name] : undefined;
      return ratio === undefined ? [] : [[row.name, figureOf(row, ratio)]];
    }),
  );
