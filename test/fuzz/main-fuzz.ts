// `node test/fuzz/main-fuzz.ts [TARGET] [--minutes N]`: fuzzes the target, or all of them in turn, N minutes in all. What it learns
// it keeps in build/fuzz/corpus, and begins with the next time; what breaks a target it puts into build/fuzz/found and ends.

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { buildFuzzers, corpusOf, flagsOf, hasFuzzer, TARGETS } from "./fuzzers.ts";

const KEPT = join(import.meta.dirname, "..", "..", "build", "fuzz");
const MINUTES_OTHERWISE = "10";

const usage = (why: string): never => {
  process.stderr.write(`${why}\nusage: ./build.sh fuzz [TARGET] [--minutes N]; targets: ${TARGETS.join(", ")}\n`);
  process.exit(2);
};

const parsed = (() => {
  try {
    const options = { minutes: { type: "string", default: MINUTES_OTHERWISE } } as const;
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    return usage((error as Error).message);
  }
})();
const { values, positionals } = parsed;
const minutes = Number(values.minutes);
if (!(minutes > 0)) usage(`--minutes is "${values.minutes}", must be a number above 0`);
const [target, ...others] = positionals;
if (target !== undefined && (!TARGETS.includes(target) || others.length > 0)) {
  usage(`there is no target "${positionals.join(" ")}"`);
}
if (!hasFuzzer()) {
  process.stderr.write("Fuzzing needs clang++ with libFuzzer (Debian: clang and libclang-rt-dev).\n");
  process.exit(1);
}

const targets = target === undefined ? TARGETS : [target];
const seconds = Math.max(1, Math.round((minutes * 60) / targets.length));
process.stdout.write(`Building ${targets.join(", ")}; then ${seconds} s each.\n`);
for (const fuzzer of buildFuzzers(targets, "libFuzzer")) {
  const [learned, found] = [join(KEPT, "corpus", fuzzer.target), join(KEPT, "found")];
  for (const folder of [learned, found]) mkdirSync(folder, { recursive: true });
  process.stdout.write(`\n${fuzzer.target}\n`);
  const flags = [
    ...flagsOf(fuzzer.target),
    `-max_total_time=${seconds}`,
    `-artifact_prefix=${join(found, fuzzer.target)}-`,
  ];
  const shown = ["-print_final_stats=1", "-verbosity=1"];
  const args = [...fuzzer.environment, fuzzer.program, ...flags, ...shown, learned, corpusOf(fuzzer.target)];
  const { status } = spawnSync("env", args, { stdio: "inherit" });
  if (status === 0) continue;
  process.stdout.write(
    `\n${fuzzer.target} is broken; the bytes lie in ${found}. Mend it, and keep them as test/fuzz/corpus/${fuzzer.target}/NAME.\n`,
  );
  process.exit(1);
}
