// What do plain clients of Redis notice of functions that want all they can get, and what is left for those functions?
//
// Method. Plain clients: redis-benchmark, 50 connections, 16 GETs in flight on each, values of 100 bytes. Functions: calls that
// read 100 keys at a time, again and again, so many in flight that each isolate always has work. Redis has to make each of
// their reads: there is no read cache, in which they would be found without its lock. Each is measured alone, then both
// in the same window. For the tail, a client that sends GETs at fixed times, at half the rate that it reaches when it sends
// each as soon as the one before has answered, and counts from when a GET was due; alone, beside the functions, and beside
// others that compute for milliseconds at a stretch; the last once more where sandbox hosts are as nice as Redis (`host-nice 0`),
// in a stack of its own, which idles beside all other rows.
// Storage and load are on cores of their own where there are four. With two, load, sandbox host and Redis' two threads
// want them all, and the figures tell how they are shared out rather than what the module does.
//
// Expectation. The module's service takes Redis' lock for at most 30 % of the time while clients wait (`lock-share-percent`);
// so plain clients should keep 70 % of their throughput, and functions that share of Redis' thread. No GET waits for longer
// than a quantum of 200 µs; what computes on the same core hardly delays the GET in the middle.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { apartLayout } from "./harness/cores.ts";
import { NOTHING_PLACED, startPlacedStack } from "./harness/placed-stack.ts";
import { ringEntries, VALUE_BYTES } from "./access/values.ts";
import { interferencePeers } from "./interference/peers.ts";
import { CONNECTIONS, PIPELINING } from "./interference/redis-benchmark.ts";

interface Effort extends Repeats {
  /** Of one repetition of one peer. */
  readonly budgetMs: number;
}

const SEED = 1;
const READ_CACHE_MB = 0;

await runBenchmark<Effort>({
  name: "interference",
  question: "What do plain clients of Redis notice of functions that want all they can get?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, budgetMs: 1_000 },
    standard: { warmUps: 1, repetitions: 7, budgetMs: 2_000 },
    full: { warmUps: 2, repetitions: 9, budgetMs: 8_000 },
  },
  ratios: {
    plainThroughputKept: {
      better: "more",
      must: 0.6,
      aim: 0.68,
      of: (value) => value("plain GETs, beside functions") / value("plain GETs, alone"),
    },
    functionThroughputKept: {
      better: "more",
      must: 0.2,
      aim: 0.28,
      of: (value) => value("functions, beside plain GETs") / value("functions, alone"),
    },
    plainP99Grown: {
      better: "less",
      must: 3,
      aim: 1.5,
      of: (value) => value("p99 at half rate, beside functions") / value("p99 at half rate, alone"),
    },
    plainP99GrownByComputing: {
      better: "less",
      of: (value) => value("p99 at half rate, beside computing") / value("p99 at half rate, alone"),
    },
    plainP99KeptByNice: {
      better: "less",
      of: (value) => value("p99 at half rate, beside computing") / value("p99 at half rate, beside computing as nice"),
    },
  },
  layout: apartLayout,
  async prepare({ effort, layout, resources, say }) {
    say("starting Redis and a node");
    const functions = ["bench/access/fanout-gets.ts", "functions/sieve.ts"];
    const started = (more: readonly string[]) =>
      startPlacedStack(functions, layout, resources, {
        settings: NOTHING_PLACED,
        moduleArguments: ["read-cache-mb", String(READ_CACHE_MB), ...more],
      });
    const stack = await started([]);
    const evenStack = await started(["host-nice", "0"]);
    for (const { redis } of [stack, evenStack]) await redis.client().mset(...ringEntries(SEED));
    return {
      config: {
        seed: SEED,
        valueBytes: VALUE_BYTES,
        connections: CONNECTIONS,
        pipelining: PIPELINING,
        readCacheMb: READ_CACHE_MB,
      },
      peers: await interferencePeers(stack, evenStack, effort.budgetMs, resources),
    };
  },
});
