// Programs, modules of Redis and libraries in C++ that tests need (test/fixtures/native): compiled when they are older than their sources.

import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");

export interface NativeProgram {
  /** In test/fixtures/native, without `.cc`. */
  readonly name: string;
  /** Further sources, from the root. */
  readonly sources: readonly string[];
  readonly libraries: readonly string[];
}

/** The program's path. Throws with what the compiler says. */
export const buildNativeProgram = (program: NativeProgram): string => build(program, program.name, []);

/** The same for a module of Redis. */
export const buildRedisModule = (name: string): string =>
  build({ name, sources: ["storage-module/src/redis_api.cc"], libraries: [] }, `${name}.so`, ["-shared", "-fPIC"]);

/** The same for a library that is loaded ahead of all others (LD_PRELOAD). */
export const buildPreload = (name: string): string =>
  build({ name, sources: [], libraries: [] }, `${name}.so`, ["-shared", "-fPIC"]);

function build({ name, sources, libraries }: NativeProgram, output: string, kind: readonly string[]): string {
  const program = join(root, "build", "test", output);
  const all = [join("test/fixtures/native", `${name}.cc`), ...sources];
  const headers = globSync(["runtime/native/*.h", "storage-module/src/*.h"], { cwd: root });
  const newestMs = Math.max(...[...all, ...headers].map((file) => statSync(join(root, file)).mtimeMs));
  if ((statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0) > newestMs) return program;
  mkdirSync(dirname(program), { recursive: true });
  const flags = ["-std=c++20", "-O2", "-g", "-Wall", "-Wextra", "-pthread", ...kind];
  const includes = ["-Ibuild/generated", "-Iruntime/native", "-Istorage-module/src"];
  // Files of tests run at once: what another of them runs is whole.
  const made = `${program}.${process.pid}`;
  const result = spawnSync("g++", [...flags, ...includes, "-o", made, ...all, ...libraries], {
    cwd: root,
    encoding: "utf8",
  });
  if (result.status !== 0) throw new Error(`${name}.cc does not compile:\n${result.stderr}`);
  renameSync(made, program);
  return program;
}
