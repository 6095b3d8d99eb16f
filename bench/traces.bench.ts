// How good are the policy's decisions, by the scores of two contests and by cold starts, and how fast are traces replayed?
//
// Method. Traces are replayed in virtual time through the Scheduler that runs live: our own policy, the 2023 contest's reference (a look every
// 10 s, 5 minutes idle), and fixed keep-alives from none to for ever, of which the best in hindsight counts (and between them, around the best). With --data DIR the
// data sets there, else synthetic traces with seeds that no tuning has seen; each as it is and with fifty times its durations. Cold
// starts on a synthetic trace: our policy, told that functions count equally, at the price at which it holds as much memory as the
// hybrid histogram policy; a call counts as cold if it waits for an instance at all. The 2020 score is of loads made anew from their
// description, the mean of five, each of functions of its own that no tuning has seen, against a reference that releases nothing but where nodes are
// full; beside it that of the table of ten functions by which the scheduler's habits were found. Speed is calls per second of CPU time, garbage collection included.
// Scores are the same in each repetition, on every machine.
//
// Expectation. The score in hindsight is passed: per function a keep-alive, calls that come by a clock started ahead, calls that wait for a
// busy instance where a start takes longer.

import { forecast } from "#scheduler/policy/forecast.ts";
import { fixedKeepAlive, REFERENCE } from "#scheduler/policy/fixed.ts";
import { EVEN_WEIGHTS } from "#scheduler/policy/weights-2020.ts";
import { bestFixed, simulate } from "#scheduler/simulator/compare.ts";
import { Contest2020, type Report2020 } from "#scheduler/simulator/contest-2020.ts";
import { drawnFunctions, FUNCTIONS_2020, type Function2020 } from "#scheduler/simulator/functions-2020.ts";
import { replay } from "#scheduler/simulator/replay.ts";
import { reportOf } from "#scheduler/simulator/report.ts";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { sharedLayout } from "./harness/cores.ts";
import { atEqualMemory } from "./traces/cold-starts.ts";
import { busyTrace, scoredTraces, weekOfCalls } from "./traces/sets.ts";

const SPEED_SEED = 2_003;
const COLD_STARTS_SEED = 2_004;
const SEEDS_2020 = [2_005, 2_006, 2_007, 2_008, 2_009];

const reports2020Of = (functionsOf: (seed: number) => readonly Function2020[]): readonly Report2020[] =>
  SEEDS_2020.map((seed) => {
    const contest = new Contest2020({ seed, weights: EVEN_WEIGHTS, functions: functionsOf(seed) });
    return contest.report(forecast(contest.objective));
  });

await runBenchmark<Repeats>({
  name: "traces",
  question: "How good are the scheduler's decisions on traces, and how fast are they replayed?",
  efforts: {
    smoke: { warmUps: 0, repetitions: 1 },
    standard: { warmUps: 1, repetitions: 5 },
    full: { warmUps: 1, repetitions: 9 },
  },
  ratios: {
    scoreGain: { better: "more", must: 14, aim: 18, of: (value) => value("our score") - value("reference's score") },
    scoreVsHindsight: { better: "more", must: 0.97, aim: 1, of: (value) => value("our score ÷ hindsight's, worst") },
    coldStartsVsHybrid: {
      better: "less",
      must: 0.8,
      aim: 0.5,
      of: (value) => value("p75 cold-start rate") / value("p75 cold-start rate, hybrid histogram"),
    },
    simulatedPerSecond: { better: "more", must: 300_000, aim: 1_000_000, of: (value) => value("calls replayed") },
    score2020: { better: "less", must: 0.6, aim: 0.4, of: (value) => value("2020 score") },
  },
  layout: sharedLayout,
  async prepare({ dataDirectory, say }) {
    const scored = scoredTraces(dataDirectory).map((trace) => {
      say(`replaying ${trace.name}`);
      return {
        ours: reportOf(simulate(trace, forecast())),
        reference: reportOf(simulate(trace, fixedKeepAlive("reference", REFERENCE))),
        hindsight: bestFixed(trace),
      };
    });
    say("cold starts at equal memory");
    const { ours, hybrid } = atEqualMemory(weekOfCalls(COLD_STARTS_SEED));
    say("the 2020 load");
    const reports2020 = reports2020Of(drawnFunctions);
    const ofTheTable = reports2020Of(() => FUNCTIONS_2020);
    const speedTrace = busyTrace(SPEED_SEED);
    const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
    const known = (name: string, unit: string, value: number, details: Readonly<Record<string, number>> = {}) => ({
      name,
      unit,
      run: async () => ({ value, details }),
    });
    return {
      config: {
        traces: scored.map((one) => one.ours.trace),
        seeds: { speed: SPEED_SEED, coldStarts: COLD_STARTS_SEED, contest2020: SEEDS_2020 },
        scores: scored.map((one) => ({
          trace: one.ours.trace,
          ours: one.ours.score.score,
          reference: one.reference.score.score,
          hindsight: one.hindsight.score.score,
          hindsightPolicy: one.hindsight.policy,
        })),
      },
      peers: [
        known("our score", "points", mean(scored.map((one) => one.ours.score.score))),
        known("reference's score", "points", mean(scored.map((one) => one.reference.score.score))),
        known(
          "our score ÷ hindsight's, worst",
          "of its score",
          Math.min(...scored.map((one) => one.ours.score.score / one.hindsight.score.score)),
        ),
        known("p75 cold-start rate", "of calls", ours.coldShareOfFunctions.p75, {
          heldGbSeconds: ours.score.slotGbSeconds,
        }),
        known("p75 cold-start rate, hybrid histogram", "of calls", hybrid.coldShareOfFunctions.p75, {
          heldGbSeconds: hybrid.score.slotGbSeconds,
        }),
        {
          name: "calls replayed",
          unit: "calls/s",
          run: async () => {
            const before = process.cpuUsage();
            replay(speedTrace, forecast());
            const { user, system } = process.cpuUsage(before);
            return { value: (speedTrace.startMs.length / (user + system)) * 1e6 };
          },
        },
        known("2020 score", "points", mean(reports2020.map(({ score }) => score)), {
          responseTime: mean(reports2020.map(({ responseTime }) => responseTime)),
          nodeDuration: mean(reports2020.map(({ nodeDuration }) => nodeDuration)),
          nodesMost: Math.max(...reports2020.map(({ nodesMost }) => nodesMost)),
          errors: Math.max(...reports2020.map(({ errors }) => errors)),
          best: Math.min(...reports2020.map(({ score }) => score)),
          worst: Math.max(...reports2020.map(({ score }) => score)),
          referenceStarts: mean(reports2020.map(({ reference }) => reference.starts)),
          referenceEvictions: mean(reports2020.map(({ reference }) => reference.evictions)),
          ofTheTablesFunctions: mean(ofTheTable.map(({ score }) => score)),
        }),
      ],
    };
  },
});
