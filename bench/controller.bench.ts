// What does deciding cost: of one core, how much does a controller take that has a thousand functions and hears of a hundred
// thousand calls a second, and what does a call pay for being recorded?
//
// Method. Samples of a thousand functions are drawn once, seeded, from one read and 10 µs of computing to hundreds of reads and
// milliseconds, on cores that are too few for all to be where they are best. They are recorded as a node does it (SampleWindows, of a sample made for each call), in
// windows as long as a node's (`windowMsOf`: 0.35 s here), and by the module's own tally in a program of its own; the windows are then read as text, as those of other nodes come, checked, folded and decided
// upon by the controller's loop, which knows of none of them when a repetition begins, and what changes in the plan is made into the text that goes to Redis. CPU time of this process, that of the
// garbage collector's threads included, over what the load would have lasted. No Redis, no sockets. A controller's own calls reach it as
// they are: of one node alone, nothing is read.
//
// Expectation. A window is 340 KB of text, two or three ms to read: 0.8 % of a core. It has 1,550 tallies to fold, of two or three µs each: 1.2 %. A step, every
// 1.5 s with so many functions, has a thousand costs to reckon and a programme of a thousand shares and six rows to solve, some 20 µs for
// each function, and leaves garbage that takes half as long to collect: 2 %. A plan is written after most steps, 100 KB with what the module is told: nothing beside these.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { buildNativeProgram } from "#test/native-program.ts";
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

/** The module's own tally. */
const TALLY_SOURCES = ["sample_tally", "json_text"].map((name) => `storage-module/src/${name}.cc`);

/** Of what a controller does. */
const PARTS = ["reading windows", "deciding", "writing plans"] as const;
type Part = (typeof PARTS)[number];
const partRow = (part: Part): string => `${part}, of a core`;

await runBenchmark<Effort>({
  name: "controller",
  question: "What does deciding for a thousand functions and 100,000 calls a second cost?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, seconds: 1 },
    standard: { warmUps: 2, repetitions: 7, seconds: 30 },
    full: { warmUps: 2, repetitions: 15, seconds: 60 },
  },
  ratios: {
    controllerCpuShare: {
      better: "less",
      must: 0.05,
      aim: 0.01,
      of: (value) => PARTS.reduce((sum, part) => sum + value(partRow(part)), 0),
    },
    recordUs: {
      better: "less",
      must: 1,
      of: (value) => Math.max(value("recording a call"), value("recording a call beside Redis")),
    },
  },
  layout: sharedLayout,
  async prepare({ effort, say }) {
    say("drawing samples");
    const options = { functions: FUNCTIONS, samplesPerSecond: SAMPLES_PER_SECOND };
    const replay = new Replay(options);
    const windows = replay.windows();
    const texts = windows.map((window) => JSON.stringify(window));
    const rounds = Math.ceil(effort.seconds / replay.seconds);
    const seconds = rounds * replay.seconds;
    let decided: Decided = { placed: 0, changes: [], plans: [] };
    const parts: Readonly<Record<Part, () => Promise<Measure>>> = {
      "reading windows": async () => ({
        value: (await cpuUsOf(() => texts.forEach(readWindow))) / 1e6 / replay.seconds,
      }),
      deciding: async () => {
        const cpuUs = await cpuUsOf(async () => (decided = await replay.decide(windows, rounds)));
        const { placed, plans } = decided;
        return {
          value: cpuUs / 1e6 / seconds,
          details: { placed, plansPerSecond: plans.length / seconds },
        };
      },
      "writing plans": async () => {
        let length = 0;
        const cpuUs = await cpuUsOf(() => (length = writtenLength(decided)));
        return { value: cpuUs / 1e6 / seconds, details: { bytesPerSecond: length / seconds } };
      },
    };
    return {
      config: { ...options, windowMs: (1e3 * replay.seconds) / windows.length },
      peers: [
        {
          name: "recording a call",
          unit: "µs",
          run: async () => ({ value: (await cpuUsOf(() => replay.record())) / replay.samples }),
        },
        {
          name: "recording a call beside Redis",
          unit: "µs",
          run: async () => ({ value: await nativeRecordUs(Math.round(replay.samples / windows.length)) }),
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

/** In windows of so many calls. */
async function nativeRecordUs(callsPerWindow: number): Promise<number> {
  const program = buildNativeProgram({ name: "recorded_calls", sources: TALLY_SOURCES, libraries: [] });
  const { stdout } = await promisify(execFile)(program, [FUNCTIONS, SAMPLES_PER_SECOND, callsPerWindow].map(String));
  return Number(stdout) / 1e3;
}

async function cpuUsOf(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
