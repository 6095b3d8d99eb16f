// What does the scheduler add to gRPC: how many instances does it hand out and take back, against a server that only answers?
//
// Method. The same two calls to both, AcquireContainer and then ReturnContainer with what the first gave, from a plain grpc-js client in
// a process of its own, on one connection with so many pairs under way. The scheduler's instances are warm: all that it does is to find a
// free one, remember who has it, and take it back. The echo is a bare grpc-js server with the same messages, whose handlers answer at once.
// Server and load are on cores of their own where there are four.
//
// Expectation. A unary call costs grpc-js some 50 µs and more on the server; the scheduler's own part is a few µs. Nine tenths should be
// left.

import { acquirePeers } from "./acquire/acquire-peers.ts";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { serverLayout } from "./harness/cores.ts";

interface Effort extends Repeats {
  /** Of one repetition of one server. */
  readonly budgetMs: number;
}

await runBenchmark<Effort>({
  name: "acquire",
  question:
    "How many instances does the scheduler hand out and take back over gRPC, against a server that only answers?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, budgetMs: 200 },
    standard: { warmUps: 3, repetitions: 9, budgetMs: 2_000 },
    full: { warmUps: 3, repetitions: 11, budgetMs: 8_000 },
  },
  ratios: {
    acquireVsEcho: {
      better: "more",
      must: 0.7,
      aim: 0.9,
      of: (value) => value("scheduler over gRPC") / value("grpc-js, bare echo"),
    },
  },
  layout: serverLayout,
  async prepare({ effort, layout, resources, say }) {
    say("starting the scheduler and the echo");
    const { config, peers } = await acquirePeers({ budgetMs: effort.budgetMs, layout, resources });
    return { config, peers };
  },
});
