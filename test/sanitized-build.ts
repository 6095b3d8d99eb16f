// The native parts built with a sanitizer of the compiler's (Makefile, SANITIZE): made when they are older than their sources,
// into folders of their own, each by one make at a time.

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** `address` finds what is read or written out of place, and what C++ leaves undefined; `thread` finds data races. */
export type Sanitizer = "address" | "thread";

const FLAGS: Readonly<Record<Sanitizer, string>> = { address: "address,undefined", thread: "thread" };

/** A compiler that shares two slow cores with other tests, and with other compilers, needs many minutes. */
export const SANITIZED_BUILD_TIMEOUT_MS = 1_800_000;

/** Of a test that a sanitizer watches: what it finds once is there, and no second attempt makes it good. */
export const WATCHED = { timeout: SANITIZED_BUILD_TIMEOUT_MS, retry: 0 } as const;

/** The paths of the targets, which are named as in the Makefile, without their folder. Throws with what the compiler says. */
export const buildSanitized = (sanitizer: Sanitizer, targets: readonly string[]): readonly string[] =>
  makeSanitized(FLAGS[sanitizer], targets);

/** The same with any sanitizers, and variables of make's besides. */
export function makeSanitized(
  flags: string,
  targets: readonly string[],
  variables: readonly string[] = [],
): readonly string[] {
  const folder = join("build", flags.replaceAll(",", "-"));
  const paths = targets.map((target) => join(folder, target));
  const settings = [`NODE=${process.execPath}`, `SANITIZE=${flags}`, ...variables];
  const make = ["make", "--silent", `--jobs=${availableParallelism()}`, ...settings, ...paths];
  // Files of tests run at once, and two makes in one folder would write the same objects.
  const result = spawnSync("flock", [`${folder}.lock`, ...make], { cwd: ROOT, encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${make.join(" ")}:\n${result.stdout}${result.stderr}`);
  return paths.map((path) => join(ROOT, path));
}
