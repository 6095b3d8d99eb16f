// What does deciding cost: of one core, how much does a controller take that has a thousand functions and hears of a hundred
// thousand calls a second, and what does a call pay for being recorded?
//
// Method. Samples of a thousand functions are drawn once, seeded, from one read and 10 µs of computing to hundreds of reads and
// milliseconds, on cores that are too few for all to be where they are best. They are recorded as a node does it (SampleTally), in
// windows of 25 ms; the windows are then read as text, as those of other nodes come, checked, folded and decided upon by the
// controller's loop, 40 times a second of that load, and what changes in the plan is made into the text that goes to Redis. CPU time of
// this process, that of the garbage collector's threads included, over what the load would have lasted. No Redis, no sockets. A
// controller's own calls reach it as they are: of one node alone, nothing is read.
//
// Expectation. A window is 250 KB of text, half a ms to read: 2 % of a core. It has a thousand tallies to fold, of less than half a µs each; a
// step, every tenth of a second with so many functions, a thousand costs to reckon and a programme of a thousand shares and six rows to
// solve, a few µs each: 3 %. A plan is written after most steps, 100 KB with what the module is told: nothing beside these.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Measure, Repeats } from "./harness/contest.ts";
import { sharedLayout } from "./harness/cores.ts";
import { readWindow } from "#compute/placement/messages.ts";
import { barPlotSvg } from "#runtime/plot.ts";
import { Replay, writtenLength, type Decided } from "./controller/replay.ts";

interface Effort extends Repeats {
  /** Seconds of load of one repetition. */
  readonly seconds: number;
}

const FUNCTIONS = 1_000;
const SAMPLES_PER_SECOND = 100_000;
const WINDOW_MS = 25;

/** Of what a controller does. */
const PARTS = ["reading windows", "deciding", "writing plans"] as const;
type Part = (typeof PARTS)[number];
const partRow = (part: Part): string => `${part}, of a core`;

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
      of: (value) => PARTS.reduce((sum, part) => sum + value(partRow(part)), 0),
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
    let decided: Decided = { placed: 0, changes: [], plans: [] };
    const parts: Readonly<Record<Part, () => Promise<Measure>>> = {
      // The windows are those of one second.
      "reading windows": async () => ({ value: (await cpuUsOf(() => texts.forEach(readWindow))) / 1e6 }),
      deciding: async () => {
        const cpuUs = await cpuUsOf(async () => (decided = await replay.decide(windows, effort.seconds)));
        const { placed, plans } = decided;
        return {
          value: cpuUs / 1e6 / effort.seconds,
          details: { placed, plansPerSecond: plans.length / effort.seconds },
        };
      },
      "writing plans": async () => {
        let length = 0;
        const cpuUs = await cpuUsOf(() => (length = writtenLength(decided)));
        return { value: cpuUs / 1e6 / effort.seconds, details: { bytesPerSecond: length / effort.seconds } };
      },
    };
    return {
      config: options,
      peers: [
        {
          name: "recording a call",
          unit: "µs",
          run: async () => ({ value: (await cpuUsOf(() => replay.record())) / replay.samples }),
        },
        ...PARTS.map((part) => ({ name: partRow(part), unit: "cores", run: parts[part] })),
      ],
      plots: (rows) => ({
        parts: barPlotSvg({
          title: "What a controller does, of a core",
          unit: "cores",
          groups: PARTS.map((part) => ({
            name: part,
            bars: { cores: rows.find(({ name }) => name === partRow(part))?.median ?? 0 },
          })),
        }),
      }),
    };
  },
});

async function cpuUsOf(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
