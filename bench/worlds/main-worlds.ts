// Plays seeded, simulated worlds with a decider of placement and reports what it missed. Deterministic.

import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { columns } from "#compute/cli/output.ts";
import { Progress } from "#compute/cli/progress.ts";
import { commitOf } from "../harness/machine.ts";
import { numberOf } from "../harness/number-option.ts";
import { DECIDERS, type DeciderName } from "./decider.ts";
import { CALM_FROM_MS, DIFFERENCE_HEADS, differenceRows, HEADS, rowOf, worldResult, type RunResult } from "./report.ts";
import { simulate } from "./simulate.ts";
import { SUITES } from "./suites.ts";

const HELP = `usage: ./build.sh worlds [--seed N] [--part P] [--only SUITES] [--decider NAME] [--json FILE] [--against FILE]
  --seed N         draws other worlds (0); an integer from 0 to 1000000
  --part P         plays this part of each suite's worlds (0.25); above 0, at most 1
  --only SUITES    plays these suites only, separated by commas
  --decider NAME   ${Object.keys(DECIDERS).join(", ")} (locus)
  --json FILE      also writes the result of every world as JSON
  --against FILE   compares with such a file, world by world (same seed and part)
Suites:
${Object.entries(SUITES)
  .map(([name, { about, worlds }]) => `  ${name.padEnd(10)} ${String(worlds).padStart(3)} worlds: ${about}`)
  .join("\n")}
MISSED: part of the calls that the best fixed shares of each moment would have done, and the decider's did not.
MOVES/MIN, IN TRIALS: of steady suites from ${CALM_FROM_MS / 1e3} s on.`;

function main(argv: readonly string[]): void {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      seed: { type: "string", default: "0" },
      part: { type: "string", default: "0.25" },
      only: { type: "string", default: Object.keys(SUITES).join(",") },
      decider: { type: "string", default: "locus" },
      json: { type: "string" },
      against: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const seed = numberOf("seed", values.seed, { min: 0, max: 1_000_000, whole: true });
  const part = numberOf("part", values.part, { min: 1e-3, max: 1 });
  const names = values.only.split(",");
  const unknown = names.find((name) => !(name in SUITES));
  if (unknown !== undefined) throw new TypeError(`--only must name suites, got "${unknown}"`);
  const { decider } = values;
  if (!(decider in DECIDERS)) {
    throw new TypeError(`--decider must be one of ${Object.keys(DECIDERS).join(", ")}, got "${decider}"`);
  }
  const before = values.against === undefined ? null : readResult(values.against);
  const result = play(names, decider as DeciderName, seed, part);
  console.log(
    columns(
      [...HEADS],
      Object.entries(result.suites).map(([name, worlds]) => rowOf(name, worlds)),
      "",
    ),
  );
  if (before !== null) console.log(`\n${columns([...DIFFERENCE_HEADS], differenceRows(before, result), "")}`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result)}\n`);
}

function play(names: readonly string[], decider: DeciderName, seed: number, part: number): RunResult {
  const progress = new Progress();
  try {
    const suites = names.map((name) => {
      const { worlds, cases, isSteady } = SUITES[name]!;
      const drawn = cases(Math.max(1, Math.round(part * worlds)), seed);
      const results = drawn.map(({ world, durationMs, fromMs, seed: own }, at) => {
        progress.step(() => `worlds: ${name} ${at + 1} of ${drawn.length}`);
        const { stretches } = simulate(world, DECIDERS[decider](), durationMs, own);
        return worldResult(stretches, fromMs, isSteady ? CALM_FROM_MS : 0);
      });
      return [name, results] as const;
    });
    return { decider, seed, commit: commitOf(), suites: Object.fromEntries(suites) };
  } finally {
    progress.end();
  }
}

function readResult(file: string): RunResult {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as RunResult;
  } catch (error) {
    throw new TypeError(`--against must be a file that --json wrote, got "${file}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(`${HELP}\n${error.message}`);
  process.exitCode = 2;
}
