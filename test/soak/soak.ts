// A soak: episode after episode of faults under load, each followed by quiet in which everything is checked. Stops at the
// first episode that broke a promise. The first episode has no faults, nor functions that break what they run in: it warms up,
// all of it has to end well, and what is held after it is what later ones are compared with.

import { callSchedule } from "./call-schedule.ts";
import { Deployments, deploymentSchedule } from "./deployments.ts";
import { check, countWell, type Episode, LATE_MS, latenessMs, NOTHING_HAPPENED, type Violation } from "./checker.ts";
import { Cluster } from "./cluster.ts";
import { type Fault, faultSchedule, type Member, MEMBERS } from "./fault-schedule.ts";
import { Faults } from "./faults.ts";
import { harmless, numberAt, numberKey, NUMBERS, type WorkloadFunctions } from "./functions.ts";
import { type AllHoldings, compareHoldings, holdingsOf, orphanedHosts } from "./leftovers.ts";
import { type CallRecord, Ledger } from "./ledger.ts";
import { QuietCluster } from "./quiet.ts";
import { StallWatch } from "./stalls.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { Workload } from "./workload.ts";

export interface SoakOptions {
  readonly seed: number;
  /** No episode begins after it, but for the first one with faults. */
  readonly minutes: number;
  /** The first after the warm-up, which is number 0; and how many, at most. */
  readonly firstEpisode: number;
  readonly episodes: number;
  readonly episodeMs: number;
  readonly callsPerSecond: number;
  readonly functions: WorkloadFunctions;
  /** Told while it runs. */
  readonly onProgress: (text: string) => void;
  readonly onEpisode: (report: EpisodeReport) => void;
  /** Where logs go when a promise was broken. */
  readonly onBroken: (cluster: Cluster) => void;
  readonly signal: AbortSignal;
}

export interface EpisodeReport {
  /** 0 is the warm-up. */
  readonly episode: number;
  readonly calls: number;
  /** By what they ended with; calls whose caller went away are `left`. */
  readonly endings: Readonly<Record<string, number>>;
  /** Of the calls that could end well, the share that did (`countWell`); 1 where there was none. */
  readonly wellShare: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly writes: number;
  /** Of the latest answer, after its deadline, what is not its own taken off. */
  readonly latestMs: number;
  /** Calls that were answered too late by the clock, but for the time in which who answers was stopped. */
  readonly lateWhileStopped: number;
  /** And those that needed what was waited for a core or the disk, or the caller's own stalls, to be taken off as well. */
  readonly lateWhileWaiting: number;
  /** null: it did not come to rest. */
  readonly holdings: AllHoldings | null;
  readonly violations: readonly Violation[];
}

/** Beyond all deadlines, for answers that will not come. */
const UNANSWERED_MS = 15_000;
const LOOK_MS = 50;

/** Resolves with the reports so far when the signal is given. Rejects where the cluster cannot be started, or does not come back. */
export async function soak(options: SoakOptions): Promise<readonly EpisodeReport[]> {
  const { signal, onProgress } = options;
  const untilMs = performance.now() + options.minutes * 60_000;
  onProgress("starting a master, a replica and two nodes");
  const cluster = await Cluster.start();
  await using resources = new AsyncDisposableStack();
  resources.defer(() => cluster.close());
  const quiet = resources.adopt(new QuietCluster(cluster), (one) => one.close());
  await prepare(cluster);
  const deployments = new Deployments(cluster, options.functions);
  await deployments.first();
  await quiet.rest(signal);

  const reports: EpisodeReport[] = [];
  for (let count = 0; count <= options.episodes && !signal.aborted; count++) {
    if (count > 1 && performance.now() >= untilMs) break;
    const episode = count === 0 ? 0 : options.firstEpisode + count - 1;
    const report = await playEpisode(episode, {
      cluster,
      quiet,
      deployments,
      options,
      baseline: reports[0]?.holdings ?? null,
    });
    if (report === null) break;
    reports.push(report);
    options.onEpisode(report);
    if (report.violations.length > 0) {
      options.onBroken(cluster);
      break;
    }
  }
  return reports;
}

/** What functions read. */
async function prepare(cluster: Cluster): Promise<void> {
  const master = cluster.client("master");
  const pairs = Array.from({ length: NUMBERS }, (_, index) => [numberKey(index), String(numberAt(index))]);
  await master.mset(...pairs.flat());
  master.disconnect();
}

interface Surroundings {
  readonly cluster: Cluster;
  readonly quiet: QuietCluster;
  readonly deployments: Deployments;
  readonly options: SoakOptions;
  readonly baseline: AllHoldings | null;
}

/** null: it was interrupted. */
async function playEpisode(
  episode: number,
  { cluster, quiet, deployments, options, baseline }: Surroundings,
): Promise<EpisodeReport | null> {
  const { seed, episodeMs: durationMs, callsPerSecond, functions, signal, onProgress } = options;
  const faults = episode === 0 ? [] : faultSchedule(seed, episode, durationMs);
  const called = episode === 0 ? harmless(functions) : functions;
  const shipments = callSchedule({ seed, episode, durationMs, callsPerSecond }, called);
  const ledger = new Ledger();
  const stalls = new StallWatch(MEMBERS, ["master", "replica"], (member) => cluster.pidOf(member));
  const workload = new Workload(
    { url: (node) => cluster.nodes[node].url, socketPath: (server) => cluster[server].path },
    ledger,
  );
  try {
    const say = (): void =>
      onProgress(
        `episode ${episode}: ${ledger.calls.length} calls, ${ledger.faults.length} of ${faults.length} faults`,
      );
    const calling = (async () => {
      const startedMs = performance.now();
      for (const shipment of shipments) {
        const waitMs = startedMs + shipment[0].atMs - performance.now();
        if (waitMs > 1) await sleep(waitMs, undefined, { signal });
        workload.send(shipment);
        say();
      }
    })();
    // Both are waited for, also where one fails: nothing is to be started while the cluster is closed.
    const [sent, deployed, played] = await Promise.allSettled([
      calling,
      deployments.play(deploymentSchedule(seed, episode, durationMs, functions), signal),
      new Faults(cluster, ledger).play(faults, signal),
    ]);
    if (played.status === "rejected") return lostReport(countsOf(episode, ledger, stalls, functions), played.reason);
    for (const one of [sent, deployed]) if (one.status === "rejected") throw one.reason;
    await answered(ledger, say, signal);
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  } finally {
    stalls.close();
    await workload.close();
  }
  if (signal.aborted) return null;

  onProgress(`episode ${episode}: waiting for rest`);
  const unrest = await quiet.rest(signal);
  if (signal.aborted) return null;
  const written = await quiet.written();
  const history = { calls: ledger.calls, faults: ledger.faults, written, ownStalls: stalls.own, waits: stalls.waits };
  const replica = await quiet.compareReplica();
  const { stored, mirrors } = await quiet.deployed();
  await quiet.clear(written.keys());
  const orphans = orphanedHosts();
  const holdings = await holdingsOf((member) => cluster.pidOf(member));
  const violations = [
    ...check(history, functions),
    ...unrest,
    ...replica,
    ...deployments.check(stored, ledger.faults),
    ...mirrors,
    ...(baseline === null ? [] : compareHoldings(baseline, holdings)),
    ...orphanedHosts()
      .filter((pid) => orphans.includes(pid))
      .map((pid) => ({
        rule: "nothing is left behind" as const,
        text: `the sandbox host ${pid} outlived its supervisor`,
      })),
  ];
  const late = ledger.calls.flatMap((record) => {
    const fn = functions[record.call.function];
    if (fn === undefined) return [];
    const lateness = (happened: Partial<Episode>): number =>
      latenessMs(record, fn, { ...NOTHING_HAPPENED, ...happened }) ?? 0;
    return [{ byTheClock: lateness({}), stopsTakenOff: lateness({ faults: ledger.faults }), own: lateness(history) }];
  });
  return {
    ...countsOf(episode, ledger, stalls, functions),
    writes: [...written.values()].reduce((sum, list) => sum + list.length, 0),
    latestMs: Math.round(Math.max(0, ...late.map(({ own }) => own))),
    lateWhileStopped: late.filter(({ byTheClock, stopsTakenOff }) => byTheClock > LATE_MS && stopsTakenOff <= LATE_MS)
      .length,
    lateWhileWaiting: late.filter(({ stopsTakenOff, own }) => stopsTakenOff > LATE_MS && own <= LATE_MS).length,
    holdings,
    violations,
  };
}

type Counts = Pick<EpisodeReport, "episode" | "calls" | "endings" | "wellShare" | "faults">;

/** Of an episode after which there is nothing more to ask: something that was ended did not come back. */
function lostReport(counts: Counts, reason: unknown): EpisodeReport {
  const violation = { rule: "everything comes back", text: String(reason) } as const;
  return {
    ...counts,
    writes: 0,
    latestMs: 0,
    lateWhileStopped: 0,
    lateWhileWaiting: 0,
    holdings: null,
    violations: [violation],
  };
}

function countsOf(episode: number, ledger: Ledger, stalls: StallWatch<Member>, functions: WorkloadFunctions): Counts {
  const { could, did } = countWell(
    { calls: ledger.calls, faults: ledger.faults, ownStalls: stalls.own, waits: stalls.waits },
    functions,
  );
  return {
    episode,
    calls: ledger.calls.length,
    endings: tally(ledger.calls.map(endingOf)),
    wellShare: could === 0 ? 1 : did / could,
    faults: tally(ledger.faults.map(({ fault }) => nameOf(fault))),
  };
}

/** Until every call has its answer, or will not get one. */
async function answered(ledger: Ledger, say: () => void, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + UNANSWERED_MS;
  while (ledger.unanswered.length > 0 && performance.now() < untilMs) {
    await sleep(LOOK_MS, undefined, { signal });
    say();
  }
}

const endingOf = ({ answers, leftMs }: CallRecord): string => {
  const answer = answers[0]?.answer;
  if (answer === undefined) return leftMs === null ? "unanswered" : "left";
  return answer.kind === "error" ? answer.code : answer.kind;
};

const nameOf = ({ kind, subject }: Fault): string => `${kind} ${subject}`;

const tally = (names: readonly string[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};
