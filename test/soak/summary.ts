// What a soak came to, over all its episodes: what is printed at its end, and kept as JSON.

import type { Violation } from "./checker.ts";
import { type Member, MEMBERS } from "./fault-schedule.ts";
import type { EpisodeReport } from "./soak.ts";

interface Run {
  readonly seed: number;
  readonly minutes: number;
  readonly callsPerSecond: number;
  /** What ended it early; null where nothing did. */
  readonly interruption: string | null;
}

export interface Summary extends Run {
  /** With faults, and played to their end. */
  readonly episodes: number;
  readonly calls: number;
  readonly writes: number;
  readonly endings: Readonly<Record<string, number>>;
  /** The least of all episodes; see `EpisodeReport`. */
  readonly wellShare: number;
  readonly faults: Readonly<Record<string, number>>;
  /** The latest answer after its deadline; see `EpisodeReport`. */
  readonly latestMs: number;
  readonly lateWhileStopped: number;
  readonly lateWhileWaiting: number;
  /** Resident, MiB: after the warm-up, the most, and at the end. */
  readonly residentMb: Readonly<Record<Member, readonly [number, number, number]>>;
  readonly violations: readonly Violation[];
}

export function summaryOf(run: Run, reports: readonly EpisodeReport[]): Summary {
  const sum = (count: (report: EpisodeReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  const residentMb = (member: Member): readonly [number, number, number] => {
    const series = reports.flatMap(({ holdings }) =>
      holdings === null ? [] : [Math.round(holdings[member].residentBytes / 2 ** 20)],
    );
    return [series[0] ?? 0, Math.max(0, ...series), series.at(-1) ?? 0];
  };
  return {
    ...run,
    episodes: Math.max(0, reports.length - 1),
    calls: sum(({ calls }) => calls),
    writes: sum(({ writes }) => writes),
    endings: merged(reports.map(({ endings }) => endings)),
    wellShare: Math.min(1, ...reports.map(({ wellShare }) => wellShare)),
    faults: merged(reports.map(({ faults }) => faults)),
    latestMs: Math.max(0, ...reports.map(({ latestMs }) => latestMs)),
    lateWhileStopped: sum(({ lateWhileStopped }) => lateWhileStopped),
    lateWhileWaiting: sum(({ lateWhileWaiting }) => lateWhileWaiting),
    residentMb: Object.fromEntries(MEMBERS.map((member) => [member, residentMb(member)])) as Summary["residentMb"],
    violations: reports.flatMap(({ violations }) => violations),
  };
}

export function summaryText(summary: Summary): string {
  const { minutes, seed, episodes, calls, writes } = summary;
  return [
    "",
    `${minutes.toFixed(1)} min, seed ${seed}: ${episodes} episodes, ${calls} calls, ${writes} writes found`,
    `calls ended: ${told(summary.endings)}`,
    `of those that could end well, at least ${Math.round(summary.wellShare * 100)} % in each episode did`,
    `faults: ${told(summary.faults)}`,
    `latest answer: ${summary.latestMs} ms after its deadline; ${summary.lateWhileStopped} more were late because who answers was stopped, ${summary.lateWhileWaiting} because it waited for a core or the disk, or the caller had no core`,
    `resident after the warm-up, at most, at the end: ${MEMBERS.map((member) => `${member} ${summary.residentMb[member].join("/")} MiB`).join(", ")}`,
    ...(summary.interruption === null ? [] : [`It was ${summary.interruption}.`]),
    verdictOf(summary),
  ].join("\n");
}

function verdictOf({ episodes, violations }: Summary): string {
  if (violations.length > 0) {
    const told = violations.map(({ rule, text }) => `  ${rule}: ${text}`);
    return `${violations.length} promises were broken:\n${told.join("\n")}`;
  }
  return episodes === 0 ? "Nothing was tested: no episode with faults came to its end." : "Every promise held.";
}

const told = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ") || "none";

function merged(all: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const total: Record<string, number> = {};
  for (const counts of all)
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
  return total;
}
