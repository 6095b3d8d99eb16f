// How much CPU do instances have reserved for what they use, when quotas follow that, and what do calls wait for it?
//
// Method. Four functions with an instance each, real processes of the process driver in groups of the kernel, half a core configured for each,
// two cores in all. Calls work on the CPU for 5 ms in the mean (exponential); demand moves among the functions every stage (seeded): one is
// hot (three fifths of its limit), one is called now and then, one has bursts of 6 to 14 calls, one rests. Calls come when they are due, whatever became of those
// before; a wait is from then to the answer. As configured each instance has its half core for its whole life. Following, the same driver
// is behind a QuotaDriver with the same limits. Reserved is the integral of what the driver was told, from each instance's start to its end, raises
// from when they are asked for, what is taken back from when it is gone; used is what the kernel counted. Both ways are looked at ten times
// a second, so that both pay for that. In turn, the same load for both in each repetition.
// Forecasts are compared on what instances used, looks with calls only, with quotas as configured: each sees a series value by value.
//
// Expectation. Between stages and bursts an instance rests and has next to nothing; a call that begins has what it needs before it runs
// into its quota. So waits are as before, but for what was foreseen too low.

import { CgroupFolder } from "#scheduler/driver/cgroup.ts";
import { linePlotSvg } from "#runtime/plot.ts";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { sharedLayout } from "./harness/cores.ts";
import { FORECASTS, qualityOf } from "./quota/forecasts.ts";
import { arrivalsOf, loadConfig } from "./quota/load.ts";
import { LIMIT_CPUS, roundsPerMs, runOnce, TOTAL_CPUS, type Run } from "./quota/run.ts";

interface Effort extends Repeats {
  readonly stages: number;
  readonly stageMs: number;
}

const SEED = 1;
const CGROUP_ROOT = "/sys/fs/cgroup";
const CONFIGURED = "quotas as configured";
const FOLLOWING = "quotas that follow";
const waitOf = (peer: string): string => `p99 wait, ${peer}`;

await runBenchmark<Effort>({
  name: "quota",
  question: "How much CPU do instances have reserved for what they use, when quotas follow that?",
  efforts: {
    smoke: { warmUps: 0, repetitions: 1, stages: 4, stageMs: 1_000 },
    standard: { warmUps: 1, repetitions: 5, stages: 10, stageMs: 2_000 },
    full: { warmUps: 1, repetitions: 9, stages: 20, stageMs: 3_000 },
  },
  ratios: {
    reservedPerUsed: { better: "less", must: 0.7, aim: 0.5, of: (value) => value(FOLLOWING) / value(CONFIGURED) },
    waitP99Grown: {
      better: "less",
      must: 1.05,
      of: (value) => value(waitOf(FOLLOWING)) / value(waitOf(CONFIGURED)),
    },
  },
  layout: sharedLayout,
  async prepare({ effort, resources, say }) {
    const cgroups = await CgroupFolder.open(CGROUP_ROOT, `locus-bench-${process.pid}`);
    resources.defer(() => cgroups?.remove());
    say("measuring how fast this machine works");
    const rounds = await roundsPerMs();
    const latest = new Map<string, Run>();
    const turns = new Map<string, number>();
    const peerOf = (name: string, follows: boolean) => ({
      name,
      unit: "reserved ÷ used",
      run: async () => {
        const turn = (turns.get(name) ?? 0) + 1;
        turns.set(name, turn);
        const arrivals = arrivalsOf(SEED + turn, effort.stages, effort.stageMs);
        const run = await runOnce(follows, cgroups, arrivals, rounds);
        latest.set(name, run);
        const { reservedPerUsed, p50Ms, p99Ms, details } = run;
        return { value: reservedPerUsed, p50Us: p50Ms * 1e3, p99Us: p99Ms * 1e3, details };
      },
    });
    const latestOf = (name: string): Run => {
      const run = latest.get(name);
      if (run === undefined) throw new Error(`${name} has not run`);
      return run;
    };
    const waits = [CONFIGURED, FOLLOWING].map((name) => ({
      name: waitOf(name),
      unit: "ms",
      run: async () => ({ value: latestOf(name).p99Ms }),
    }));
    const forecasts = Object.entries(FORECASTS).map(([name, make]) => ({
      name: `forecast: ${name}`,
      unit: "loss ÷ used",
      run: async () => {
        const { loss, passed, reserved } = qualityOf(make, latestOf(CONFIGURED).series, LIMIT_CPUS);
        return { value: loss, details: { passed, reservedPerUsed: reserved } };
      },
    }));
    return {
      config: {
        seed: SEED,
        quotas: cgroups === null ? "none can be held here: no cgroup can be made" : "the kernel's, by cgroup",
        cpus: { each: LIMIT_CPUS, total: TOTAL_CPUS },
        load: loadConfig,
      },
      peers: [peerOf(CONFIGURED, false), peerOf(FOLLOWING, true), ...waits, ...forecasts],
      plots: () => ({
        reserved: linePlotSvg({
          title: "CPU reserved for four functions among which demand moves",
          xUnit: "s",
          yUnit: "CPUs",
          lines: {
            [CONFIGURED]: latestOf(CONFIGURED).reserved,
            [FOLLOWING]: latestOf(FOLLOWING).reserved,
          },
        }),
      }),
    };
  },
});
