// Every target of test/fuzz/targets takes what its corpus has, and some thousand inputs made from it: the same ones in every
// run. `./build.sh fuzz` goes on for as long as it is told.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SANITIZED_BUILD_TIMEOUT_MS, WATCHED } from "#test/sanitized-build.ts";
import { buildFuzzers, corpusOf, type Fuzzer, flagsOf, hasFuzzer, TARGETS } from "./fuzzers.ts";

/** Each of these starts a process. */
const RUNS: Readonly<Record<string, number>> = { supervisor: 300 };
const RUNS_OTHERWISE = 5_000;

const folder = mkdtempSync(join(tmpdir(), "locus-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fuzzable = hasFuzzer();
let fuzzers: readonly Fuzzer[];
beforeAll(() => {
  fuzzers = buildFuzzers(TARGETS, fuzzable ? "libFuzzer" : "replay");
}, SANITIZED_BUILD_TIMEOUT_MS);

/** What it said when it failed, else nothing. */
function complaint(target: string, args: readonly string[]): string {
  const { program = "", environment = [] } = fuzzers.find((fuzzer) => fuzzer.target === target) ?? {};
  const result = spawnSync("env", [...environment, program, ...args], { encoding: "utf8", maxBuffer: 1 << 26 });
  return result.status === 0 ? "" : `ended with ${result.status ?? result.signal}:\n${result.stderr.slice(-8_000)}`;
}

const fuzz = (target: string): string => {
  const runs = readdirSync(corpusOf(target)).length + (RUNS[target] ?? RUNS_OTHERWISE);
  const flags = [...flagsOf(target), "-seed=1", `-runs=${runs}`, `-artifact_prefix=${join(folder, target)}-`];
  // What it finds of interest goes into the first folder.
  const learned = join(folder, target);
  mkdirSync(learned, { recursive: true });
  return complaint(target, [...flags, learned, corpusOf(target)]);
};

const replay = (target: string): string => {
  const files = readdirSync(corpusOf(target)).map((file) => join(corpusOf(target), file));
  return complaint(target, files);
};

const how = fuzzable ? "fuzzed from its corpus" : "replayed from its corpus, there is no clang here";

describe(`with one seed, ${how}:`, WATCHED, () => {
  test.each(TARGETS)("%s keeps what it promises", (target) => {
    expect(fuzzable ? fuzz(target) : replay(target)).toBe("");
  });
});
