// The fuzzers of test/fuzz/targets: libFuzzer's where this machine has clang and its runtime, else programs that replay the
// corpus. Built by make, from the same sources as everything else.

import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { basename, join } from "node:path";

import { makeSanitized } from "#test/sanitized-build.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const SANITIZERS = "address,undefined";

export const TARGETS: readonly string[] = globSync("test/fuzz/targets/*.cc", { cwd: ROOT })
  .map((file) => basename(file, ".cc"))
  .filter((name) => name !== "replay" && name !== "sleeper")
  .toSorted();

/** Whether clang++ is here and can make fuzzers. */
export function hasFuzzer(): boolean {
  const source = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }';
  const flags = ["-x", "c++", `-fsanitize=fuzzer,${SANITIZERS}`, "-o", "/dev/null", "-"];
  return spawnSync("clang++", flags, { input: source }).status === 0;
}

export interface Fuzzer {
  readonly target: string;
  readonly program: string;
  /** For its environment. */
  readonly environment: readonly string[];
}

/** Throws with what the compiler says. */
export function buildFuzzers(targets: readonly string[], engine: "libFuzzer" | "replay"): readonly Fuzzer[] {
  const [flags, compiler] = engine === "libFuzzer" ? [`fuzzer,${SANITIZERS}`, ["CXX=clang++"]] : [SANITIZERS, []];
  const names = [...targets, "sleeper"].map((name) => `fuzz/${name}`);
  const programs = makeSanitized(flags, names, compiler);
  const environment = [`LOCUS_FUZZ_SLEEPER=${programs.at(-1)}`];
  return targets.map((target, index) => ({ target, program: programs[index] ?? "", environment }));
}

/** What is kept in the repository. */
export const corpusOf = (target: string): string => join(ROOT, "test", "fuzz", "corpus", target);

/** What both runs ask of libFuzzer: what takes more than that of time or memory is a finding as well. */
export function flagsOf(target: string): readonly string[] {
  const dictionary = join(ROOT, "test", "fuzz", "targets", `${target}.dict`);
  const words = existsSync(dictionary) ? [`-dict=${dictionary}`] : [];
  return ["-timeout=60", "-malloc_limit_mb=64", "-rss_limit_mb=1024", ...words];
}
