// `./build.sh soak`: breaks a cluster for as long as one likes, and says which promise of docs/reliability.md did not hold.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { commitOf, machineOf } from "#bench/harness/machine.ts";
import { numberOf } from "#bench/harness/number-option.ts";
import { checkResultFile, writeResult } from "#bench/harness/result-file.ts";
import { interruptedBy, interruption } from "#compute/cli/interruption.ts";
import { Progress } from "#compute/cli/progress.ts";
import { inCopies, WORKLOAD } from "./functions.ts";
import { type EpisodeReport, soak } from "./soak.ts";
import { summaryOf, summaryText } from "./summary.ts";

const HELP = "./build.sh soak --help says how";

const EPISODE_MS = 20_000;
const LOGS = join(import.meta.dirname, "..", "..", "build", "soak");

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly firstEpisode: number;
  readonly callsPerSecond: number;
  readonly functions: number;
  readonly jsonFile: string | null;
}

const options = optionsOf(process.argv.slice(2));
if (options !== null) await run(options);

async function run({ minutes, seed, firstEpisode, callsPerSecond, functions, jsonFile }: Options): Promise<void> {
  const signal = interruption();
  const [commit, machine] = [commitOf(), machineOf()];
  const progress = new Progress();
  const startedMs = performance.now();
  const reports: EpisodeReport[] = [];
  console.log(`Soaking for ${minutes} min, seed ${seed} …`);
  try {
    await soak({
      seed,
      minutes,
      firstEpisode,
      episodes: Infinity,
      episodeMs: EPISODE_MS,
      callsPerSecond,
      functions: inCopies(WORKLOAD, functions),
      signal,
      onProgress: (text) => progress.step(() => `${minutesSince(startedMs)} of ${minutes} min, ${text}`),
      onEpisode: (report) => {
        reports.push(report);
        progress.end();
        console.log(lineOf(report));
      },
      onBroken: (cluster) => {
        cluster.saveLogs(LOGS, (path, text) => writeFileSync(path, text));
        console.log(`The logs of that time are in ${LOGS}`);
      },
    });
  } catch (error) {
    // A terminal interrupts what was started as well: that it breaks is no news.
    if (!signal.aborted) throw error;
  }
  progress.end();
  const tookMinutes = (performance.now() - startedMs) / 60_000;
  const interrupted = interruptedBy();
  const summary = summaryOf(
    { seed, minutes: tookMinutes, callsPerSecond, interruption: interrupted?.message ?? null },
    reports,
  );
  console.log(summaryText(summary));
  if (jsonFile !== null) writeResult(jsonFile, { commit, machine, ...summary, episodes: reports });
  process.exitCode = interrupted?.exitCode ?? (summary.violations.length === 0 && summary.episodes > 0 ? 0 : 1);
}

function minutesSince(startedMs: number): string {
  return ((performance.now() - startedMs) / 60_000).toFixed(1);
}

function lineOf({ episode, calls, endings, faults, violations }: EpisodeReport): string {
  const faultCount = Object.values(faults).reduce((sum, count) => sum + count, 0);
  const verdict = violations.length === 0 ? "clean" : `${violations.length} broken promises`;
  return `episode ${episode}: ${calls} calls (${endings["ok"] ?? 0} ok), ${faultCount} faults, ${verdict}`;
}

function optionsOf(argv: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        minutes: { type: "string", default: "10" },
        seed: { type: "string", default: "1" },
        episode: { type: "string", default: "1" },
        "calls-per-second": { type: "string", default: "40" },
        functions: { type: "string", default: "500" },
        json: { type: "string" },
      },
    });
    if (values.json !== undefined) checkResultFile(values.json);
    return {
      minutes: numberOf("minutes", values.minutes, { min: 0.1, max: 100_000 }),
      seed: numberOf("seed", values.seed, { min: 0, max: 2 ** 31 - 1, whole: true }),
      firstEpisode: numberOf("episode", values.episode, { min: 1, max: 1_000_000, whole: true }),
      callsPerSecond: numberOf("calls-per-second", values["calls-per-second"], { min: 1, max: 1_000 }),
      functions: numberOf("functions", values.functions, { min: 1, max: 5_000, whole: true }),
      jsonFile: values.json ?? null,
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n${HELP}`);
    process.exitCode = 2;
    return null;
  }
}
