// What is left of the throughput when more is asked than can be done?
//
// Method. As in `placement`, but nobody waits: calls come at random times, at half of what the best fixed shares do with callers who
// wait, and at up to three times as many. What a node cannot take it refuses (OVERLOADED); calls that are answered count, a second of all the time. Two loads: walks,
// which saturate the storage side as AutoLoc's do, and the reference mix of walks and password hashes. Beside them the same with all
// calls on one side. The calls are made in the node's process, where a refusal costs next to nothing; so the walks also come through the
// gateway, at once and three times what can be done, from a client in a process of its own. It shares the node's cores, and what it takes there
// stands beside. Locus knows the functions when it is measured: from the sweep, and from the rows before. Where it is undecided whether enough
// is kept, the loads that tell take further turns (`placement` has more of that), not those over HTTP.
//
// And how soon does what is placed at storage leave it (`secondsToLeave`)? A chain of 16 reads with 500 µs of computing, which belongs beside its data while storage
// can do it, and of which both sides do more: most of what it costs is its computing. (Of one with 50 µs Redis' thread, on the same core, works as much for its reads from elsewhere as the sandbox
// beside it for all of it: such a load stays, since nothing is gained.) It comes at half of what storage does, which locus learns and places in the
// lead-in, then from one moment to the next at three times of it: by itself, and while forty other functions are called ten times a second each (`secondsToLeaveAmong40`); and as LOCUS.CALLs, of which Redis tells every 5 ms how many it has passed on (`secondsToLeaveDirect`). From there until the end of the first window of 50 ms of whose calls so many began at
// compute that the part at storage is less by a tenth of what it was; all of the stretch where there is none. Each step is of
// a function that locus has not seen; one of which less than nine tenths were at storage before says nothing. How much was at storage before, and how many calls failed until then, stands beside.
//
// Expectation. AutoLoc falls from 31,967 to 2,026 calls/s there without its scheduling, and keeps 31,967 with it. Queues here are bounded,
// a refusal costs the node some microseconds, over HTTP some tens, and functions leave the side that is full.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Comparison, Repeats } from "./harness/contest.ts";
import { splitLayout } from "./harness/cores.ts";
import {
  httpPeers,
  httpRow,
  OFFERED,
  OFFERED_HTTP,
  offeredPeers,
  offeredPlot,
  offeredRow,
  type OfferedLoad,
} from "./overload/offered.ts";
import {
  LEAVE_AMONG_ROW,
  LEAVE_DIRECT_ROW,
  LEAVE_ROW,
  leavingPeers,
  OTHERS,
  straightToRedis,
  throughNode,
  worstRow,
  type LeavingLoad,
  type LeavingTimes,
} from "./overload/leaving.ts";
import { findBestShares, partOf, tryShares, weighedParts } from "./placement/measure.ts";
import type { Part } from "./placement/schedule.ts";
import { startSplitStack } from "./placement/split-stack.ts";
import { withWorks } from "./placement/call-works.ts";
import { CALLERS, suiteOver } from "./placement/suite.ts";

interface Effort extends Repeats, LeavingTimes {
  readonly leadInMs: number;
  readonly budgetMs: number;
  readonly tryMs: number;
}

const LOADS = ["walks", "mix"] as const;
const LOADED = ["khop", "hash-password"];
/** What leaves storage. */
const LEAVING = "chain-16x500";
/** What is called beside it. */
const OTHER = "chain-1x0";
/** Which of them come over HTTP as well. */
const HTTP_LOAD = "walks";

/** At the most that is offered, of the peak: what is offered where most is answered. */
const kept = (offered: readonly number[], rowOf: (offered: number) => string): Comparison => ({
  better: "more",
  of: (value, { mostOf }) => value(rowOf(offered.at(-1)!)) / value(mostOf(offered.map(rowOf))),
});
const keptOf = (load: string): Comparison => kept(OFFERED, (offered) => offeredRow(load, "auto", offered));

await runBenchmark<Effort>({
  name: "overload",
  question: "What is left of the throughput when more is asked than can be done?",
  efforts: {
    smoke: {
      warmUps: 0,
      repetitions: 1,
      leadInMs: 100,
      budgetMs: 300,
      tryMs: 50,
      leaveLeadInMs: 300,
      leaveMs: 200,
      leaveSteps: 1,
    },
    standard: {
      warmUps: 0,
      repetitions: 5,
      extraMs: 240_000,
      leadInMs: 500,
      budgetMs: 1_500,
      tryMs: 400,
      leaveLeadInMs: 2_000,
      leaveMs: 2_000,
      leaveSteps: 4,
    },
    full: {
      warmUps: 1,
      repetitions: 7,
      extraMs: 2_400_000,
      leadInMs: 2_000,
      budgetMs: 5_000,
      tryMs: 1_000,
      leaveLeadInMs: 4_000,
      leaveMs: 3_000,
      leaveSteps: 8,
    },
  },
  ratios: {
    walksOverloadKept: keptOf("walks"),
    mixOverloadKept: keptOf("mix"),
    overloadKeptHttp: kept(OFFERED_HTTP, (offered) => httpRow(HTTP_LOAD, offered)),
    secondsToLeave: { better: "less", must: 0.1, of: (value) => value(LEAVE_ROW) },
    secondsToLeaveWorst: { better: "less", counts: "worst", of: (value) => value(worstRow(LEAVE_ROW)) },
    secondsToLeaveAmong40: { better: "less", must: 0.1, of: (value) => value(LEAVE_AMONG_ROW) },
    secondsToLeaveAmong40Worst: { better: "less", counts: "worst", of: (value) => value(worstRow(LEAVE_AMONG_ROW)) },
    secondsToLeaveDirect: { better: "less", must: 0.1, of: (value) => value(LEAVE_DIRECT_ROW) },
    secondsToLeaveDirectWorst: { better: "less", counts: "worst", of: (value) => value(worstRow(LEAVE_DIRECT_ROW)) },
    overloadKept: { better: "more", must: 0.9, aim: 0.97, worstOf: ["walksOverloadKept", "mixOverloadKept"] },
  },
  layout: splitLayout,
  async prepare({ effort, layout, dataDirectory, resources, say }) {
    say("starting Redis and a node");
    const { stack, graph } = await startSplitStack({ layout, roundTripUs: 0, dataDirectory, say, resources });
    const suite = suiteOver(graph);
    const deployed = suite.filter(({ name }) => LOADED.includes(name));
    const leaving = partOf(
      suite.find(({ name }) => name === LEAVING)!,
      1,
    );
    const other = suite.find(({ name }) => name === OTHER)!;
    const others = Array.from({ length: OTHERS }, (_, index) => ({ ...other, name: `${OTHER}-other-${index + 1}` }));
    await stack.deploy([...deployed, ...others, suite.find(({ name }) => name === LEAVING)!]);
    const workloads = await withWorks(stack, deployed);
    const walk = workloads.find(({ name }) => name === "khop");
    const loadOf = async (name: (typeof LOADS)[number], parts: readonly Part[]): Promise<OfferedLoad> => {
      say(`${name}: looking for its best fixed shares`);
      const best = await findBestShares(stack, parts, CALLERS, effort.tryMs);
      return { name, parts, capacity: await tryShares(stack, parts, CALLERS, best, 2 * effort.tryMs) };
    };
    const loads = [
      await loadOf("walks", [partOf(walk!, 1)]),
      await loadOf("mix", await weighedParts(stack, workloads, effort.tryMs)),
    ];
    const atStorage = await tryShares(stack, [leaving], CALLERS, { [LEAVING]: 1 }, 2 * effort.tryMs);
    const leavingFrom = { leaving, capacity: atStorage, others: [], send: throughNode(stack) };
    const leavingLoads: readonly LeavingLoad[] = [
      { row: LEAVE_ROW, ...leavingFrom },
      { row: LEAVE_AMONG_ROW, ...leavingFrom, others: others.map((one) => partOf(one, 1)) },
      { row: LEAVE_DIRECT_ROW, ...leavingFrom, send: await straightToRedis(stack, resources) },
    ];
    return {
      config: {
        graph: graph.source,
        offered: OFFERED,
        capacity: {
          ...Object.fromEntries(loads.map(({ name, capacity }) => [name, Math.round(capacity)])),
          [`${LEAVING} at storage`]: Math.round(atStorage),
        },
      },
      peers: [
        ...loads.flatMap((load) => offeredPeers(stack, load, effort)),
        ...leavingLoads.flatMap((load) => leavingPeers(stack, load, effort)),
        ...(await httpPeers(
          stack,
          loads.find(({ name }) => name === HTTP_LOAD)!,
          effort,
          resources,
        )),
      ],
      plots: (rows) => Object.fromEntries(LOADS.map((load) => [load, offeredPlot(load, rows)])),
    };
  },
});
