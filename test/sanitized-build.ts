// The native parts built with a sanitizer of the compiler's (Makefile, SANITIZE): made when they are older than their sources,
// into folders of their own.

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** `address` finds what is read or written out of place, and what C++ leaves undefined; `thread` finds data races. */
export type Sanitizer = "address" | "thread";

const FLAGS: Readonly<Record<Sanitizer, string>> = { address: "address,undefined", thread: "thread" };

/** A compiler that shares its cores with other tests needs minutes. */
export const SANITIZED_BUILD_TIMEOUT_MS = 600_000;

/** The paths of the targets, which are named as in the Makefile, without their folder. Throws with what the compiler says. */
export function buildSanitized(sanitizer: Sanitizer, targets: readonly string[]): readonly string[] {
  const flags = FLAGS[sanitizer];
  const paths = targets.map((target) => join("build", flags.replace(",", "-"), target));
  const node = `NODE=${process.execPath}`;
  const make = ["--silent", `--jobs=${availableParallelism()}`, node, `SANITIZE=${flags}`, ...paths];
  const result = spawnSync("make", make, { cwd: ROOT, encoding: "utf8" });
  if (result.status !== 0) throw new Error(`make ${make.join(" ")}:\n${result.stdout}${result.stderr}`);
  return paths.map((path) => join(ROOT, path));
}
