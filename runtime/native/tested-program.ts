// Programs that say of one native source what it does, compiled for a test.

import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

/** Without one there is nothing to test. */
export const hasCompiler = spawnSync("g++", ["--version"]).status === 0;

/** `NAME.cc` and the others that it needs with `NAME_test.cc`, made in a folder: the program's path. Throws if they do not compile. */
export function compileTested(name: string, folder: string, others: readonly string[] = []): string {
  const program = join(folder, `${name}_test`);
  const sources = [`${name}.cc`, `${name}_test.cc`, ...others].map((file) => join(import.meta.dirname, file));
  execFileSync("g++", ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, ...sources]);
  return program;
}
