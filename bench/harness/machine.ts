// What a result was measured on, so that a reader can tell whether two of them may be compared.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { usableCores } from "./cores.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");

export interface Machine {
  readonly cpu: string;
  /** That this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Of the minute before: well above 0 where others are at work. */
  readonly loadAverage: number;
}

export const machineOf = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: usableCores().length,
  memoryBytes: totalmem(),
  kernel: release(),
  versions: { node: process.version.slice(1), redis: redisVersion(), ...packageVersions() },
  loadAverage: loadavg()[0] ?? 0,
});

/** The commit of the checkout, marked where files differ from it. */
export function commitOf(): string {
  const commit = outputOf("git", "rev-parse", "HEAD");
  if (commit === "") return "unknown"; // no checkout, or no git
  return outputOf("git", "status", "--porcelain") === "" ? commit : `${commit}-dirty`;
}

/** Empty where it cannot be run. */
const outputOf = (program: string, ...argv: readonly string[]): string =>
  spawnSync(program, argv, { cwd: REPOSITORY, encoding: "utf8" }).stdout?.trim() ?? "";

/** The server that `test/redis-server.ts` starts. */
const redisVersion = (): string => /v=(\S+)/.exec(outputOf("redis-server", "--version"))?.[1] ?? "unknown";

/** Those of the packages that take part; package.json pins them exactly. */
function packageVersions(): Readonly<Record<string, string>> {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(join(REPOSITORY, "package.json"), "utf8"),
  ) as Record<"dependencies" | "devDependencies", Record<string, string>>;
  const versions = { ...dependencies, ...devDependencies };
  const names = ["ioredis", "fastify", "autocannon"];
  return Object.fromEntries(names.map((name) => [name, versions[name] ?? "unknown"]));
}
