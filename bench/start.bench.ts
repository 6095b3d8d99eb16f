// How long does it take until a function runs that did not run before, and what does a stack cost that does nothing?
//
// Method. One call at a time, over HTTP, to either side. Each repetition deploys the empty function anew, with a comment that makes
// another version of it: the first call finds no isolate. What it takes is counted from the answer to the deployment
// to the answer to the call; how long it waited for its isolate (a new V8 isolate with a context, the guest globals, the bundle)
// is in its usage. Calls that follow find it open and idle: from their admission by the supervisor to the outcome, less the
// function's own turn, is what a warm start costs, there and back. For a restart the sandbox host is killed, and the next call
// counts from there. A new host then has one isolate after another opened in it, and its resident memory tells what each came
// to. Of two nodes over another Redis the one that controls is killed, at any moment between two renewals of its lease: from there to
// the other one's first step as controller, which has calibrated a moment later, as one that has just started, and says in its log how
// long that took. Idle is a stack that ran all of this and was left alone for a while (nodes measure what they run on for some seconds, compilers and
// collectors have work left, 15 s later V8 collects once more): CPU time of all its processes, and the resident memory of a node and its host.
//
// One call at a time leaves the machine idle, so that with fewer than four cores nothing is held to any: on one core a node and its host would
// wait for each other and for who calls, which no user's would.
//
// Expectation. A bare isolate with a context takes about a millisecond, starting Node about a hundred; waking a thread that sleeps a
// few dozen µs, and there are two to wake. An idle Node wakes up a few times a second; the watch over a host's memory once a second.
// A lease that is not renewed ends after 1.3 s, and is asked for each 0.4 s: 0.8 to 1.7 s, and a step. Calibration has 0.9 s.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { apartLayout } from "./harness/cores.ts";
import { startPlacedStack } from "./harness/placed-stack.ts";
import { startPeers } from "./start/peers.ts";

interface Effort extends Repeats {
  /** First calls of one repetition; their median counts. */
  readonly calls: number;
  /** Calls of one repetition that find an isolate; their median counts. */
  readonly warmCalls: number;
  /** Isolates opened one after the other for their memory. */
  readonly isolates: number;
  /** Of nodes that control, of one repetition; the worst counts. */
  readonly deaths: number;
  /** How long the stack is left alone before it counts as idle, … */
  readonly restMs: number;
  /** … and for how long it is looked at then. */
  readonly idleMs: number;
}

await runBenchmark<Effort>({
  name: "start",
  question: "How long until a function runs, or a node decides, that did not before, and what does idling cost?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, calls: 1, warmCalls: 1, isolates: 2, deaths: 1, restMs: 500, idleMs: 200 },
    standard: {
      warmUps: 1,
      repetitions: 5,
      calls: 9,
      warmCalls: 25,
      isolates: 12,
      deaths: 3,
      restMs: 20_000,
      idleMs: 10_000,
    },
    full: {
      warmUps: 2,
      repetitions: 9,
      calls: 25,
      warmCalls: 100,
      isolates: 12,
      deaths: 5,
      restMs: 30_000,
      idleMs: 20_000,
    },
  },
  ratios: {
    isolateMs: {
      better: "less",
      must: 5,
      aim: 2,
      of: (value) => Math.max(value("isolate, compute"), value("isolate, storage")),
    },
    warmStartUs: {
      better: "less",
      must: 100,
      aim: 50,
      of: (value) => Math.max(value("warm start, compute"), value("warm start, storage")),
    },
    firstCallMs: {
      better: "less",
      must: 20,
      aim: 10,
      of: (value) => Math.max(value("first call, compute"), value("first call, storage")),
    },
    hostRestartMs: {
      better: "less",
      must: 1_000,
      aim: 300,
      of: (value) => Math.max(value("host restart, compute"), value("host restart, storage")),
    },
    secondsToTakeOver: { better: "less", must: 2, counts: "worst", of: (value) => value("taking over") },
    calibrateMs: { better: "less", must: 1_000, counts: "worst", of: (value) => value("calibration") },
    idleCpuShare: { better: "less", must: 0.01, aim: 0.003, of: (value) => value("idle stack, CPU") },
    idleRssMb: { better: "less", must: 250, aim: 150, of: (value) => value("idle node and host, memory") },
    isolateMb: { better: "less", must: 2, aim: 1, of: (value) => value("isolate, memory") },
  },
  layout: apartLayout,
  async prepare({ effort, layout, resources, say }) {
    say("starting Redis and a node");
    const stack = await startPlacedStack(["functions/empty.ts"], layout, resources);
    return { config: { function: "empty" }, peers: await startPeers(stack, layout, effort) };
  },
});
