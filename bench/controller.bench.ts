// What does deciding cost: of one core, how much does a controller take that has a thousand functions and hears of a hundred
// thousand calls a second, and what does a call pay for being recorded?
//
// Method. Samples of a thousand functions are drawn once, seeded, from one read and 10 µs of computing to hundreds of reads and
// milliseconds, on cores that are too few for all to be where they are best. They are recorded as a node does it (SampleTally), in
// windows of 25 ms; the windows are then folded and decided upon by the controller's loop, 40 times a second of that load. CPU time of
// this process, that of the garbage collector's threads included, over what the load would have lasted. No Redis, no sockets. What a
// controller hears from other nodes it has to read first: that is a figure of its own, of all windows as text, since how much of the load
// comes through the controller itself is the deployment's choice.
//
// Expectation. A window has a thousand tallies to fold, of less than half a µs each; a step, every tenth of a second with so many
// functions, a thousand costs to reckon and a programme of a thousand shares and six rows to solve, a few µs each: 3 % of a core in all.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { sharedLayout } from "./harness/cores.ts";
import { readWindow } from "#compute/placement/messages.ts";
import { Replay } from "./controller/replay.ts";

interface Effort extends Repeats {
  /** Seconds of load of one repetition. */
  readonly seconds: number;
}

const FUNCTIONS = 1_000;
const SAMPLES_PER_SECOND = 100_000;
const WINDOW_MS = 25;

await runBenchmark<Effort>({
  name: "controller",
  question: "What does deciding for a thousand functions and 100,000 calls a second cost?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, seconds: 1 },
    standard: { warmUps: 2, repetitions: 7, seconds: 10 },
    full: { warmUps: 2, repetitions: 15, seconds: 30 },
  },
  ratios: {
    controllerCpuShare: {
      better: "less",
      must: 0.05,
      aim: 0.01,
      of: (value) => value("controller, of a core"),
    },
    recordUs: { better: "less", must: 1, of: (value) => value("recording a call") },
  },
  layout: sharedLayout,
  async prepare({ effort, say }) {
    say("drawing samples");
    const options = { functions: FUNCTIONS, samplesPerSecond: SAMPLES_PER_SECOND, windowMs: WINDOW_MS };
    const replay = new Replay({ ...options, windows: 1e3 / WINDOW_MS });
    const windows = replay.windows();
    const texts = windows.map((window) => JSON.stringify(window));
    return {
      config: options,
      peers: [
        {
          name: "recording a call",
          unit: "µs",
          run: async () => ({ value: cpuUsOf(() => replay.record()) / replay.samples }),
        },
        {
          name: "controller, of a core",
          unit: "cores",
          run: async () => {
            let placed = 0;
            const cpuUs = cpuUsOf(() => (placed = replay.decide(windows, effort.seconds)));
            return { value: cpuUs / 1e6 / effort.seconds, details: { placed } };
          },
        },
        {
          name: "reading windows, of a core",
          unit: "cores",
          // The windows are those of one second.
          run: async () => ({ value: cpuUsOf(() => texts.forEach(readWindow)) / 1e6 }),
        },
      ],
    };
  },
});

function cpuUsOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
