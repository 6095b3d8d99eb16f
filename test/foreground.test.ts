// Ctrl-C, and a SIGTERM, in the demo, in `up` and in a benchmark, at every phase: the exit code says so, no stack is traced,
// and nothing is left of what was started, neither process nor folder. So it is when what they started ends by itself.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { childrenOf, membersOf } from "#bench/harness/processes.ts";

const REPOSITORY = join(import.meta.dirname, "..");
const LOOK_INTERVAL_MS = 2;
const GONE_TIMEOUT_MS = 20_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-foreground-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

class Foreground {
  readonly child: ChildProcess;
  output = "";

  /** In a process group of its own, as a terminal has it, with its temporary folders in the test's. */
  constructor(program: string, argv: readonly string[]) {
    const env = { PATH: process.env["PATH"], TMPDIR: folder };
    const child = spawn(process.execPath, [join(REPOSITORY, "bench", program), ...argv], {
      cwd: REPOSITORY,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => (this.output += chunk));
    }
  }

  get group(): number {
    return this.child.pid ?? 0;
  }

  hasSaid = (text: string) => (): boolean => this.output.includes(text);
  hasFile = (pattern: string) => (): boolean => globSync(pattern, { cwd: folder }).length > 0;

  async reaches(phase: () => boolean): Promise<void> {
    while (!phase()) {
      if (this.child.exitCode !== null) throw new Error(`it ended too early:\n${this.output}`);
      await sleep(LOOK_INTERVAL_MS);
    }
  }
}

type Phase = (one: Foreground) => () => boolean;
const PHASES: Readonly<Record<string, Phase>> = {
  "Redis starts": (one) => one.hasFile("locus-redis-*"),
  "Redis loads the module": (one) => one.hasFile("locus-redis-*/redis.log"),
  "the node starts": (one) => one.hasFile("locus-redis-*/node.log"),
  "the graph is loaded": (one) => one.hasSaid("$ locus load wordnet"),
  "the ways are measured": (one) => one.hasSaid("$ redisclient khop"),
};

/** How it ended, whether a stack was traced, and what was left of it once its group had gone. */
async function interrupted(
  one: Foreground,
  phase: Phase,
  { signal = "SIGINT", toGroup }: { readonly signal?: "SIGINT" | "SIGTERM"; readonly toGroup: boolean },
) {
  try {
    const ended = once(one.child, "close") as Promise<[number | null]>;
    await one.reaches(phase(one));
    process.kill(toGroup ? -one.group : one.group, signal);
    const [exitCode] = await ended;
    await vi.waitUntil(() => membersOf(one.group).length === 0, { timeout: GONE_TIMEOUT_MS });
    return { exitCode, traced: one.output.match(/^ +at .*|.*Error.*/m), left: readdirSync(folder) };
  } finally {
    if (membersOf(one.group).length > 0) process.kill(-one.group, "SIGKILL");
  }
}

const CLEAN = { exitCode: 130, traced: null, left: [] };

describe("a signal", () => {
  const everywhere = Object.entries(PHASES).flatMap(([name, phase]) =>
    [true, false].map((toGroup) => [name, toGroup ? "its group" : "itself alone", phase, toGroup] as const),
  );

  it.each(everywhere)("ends the demo while %s, sent to %s", async (_name, _target, phase, toGroup) => {
    expect(await interrupted(new Foreground("main-demo.ts", []), phase, { toGroup })).toEqual(CLEAN);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends `up` (%s: %i)", async (signal, exitCode) => {
    const isUp: Phase = (one) => one.hasSaid("Ctrl-C stops everything.");
    const options = { signal, toGroup: signal === "SIGINT" };
    expect(await interrupted(new Foreground("main-up.ts", []), isUp, options)).toEqual({ ...CLEAN, exitCode });
  });

  it.each(["the node starts", "peers are started"])("ends a benchmark while %s", async (name) => {
    const peersRun: Phase = (one) => () => membersOf(one.group).some((argv) => argv.includes("main-load"));
    const benchmark = new Foreground("http.bench.ts", ["--smoke"]);
    expect(await interrupted(benchmark, PHASES[name] ?? peersRun, { toGroup: true })).toEqual(CLEAN);
  });
});

describe("`up`", () => {
  it.each([
    ["The node", "main-locus"],
    ["Redis", "redis-server"],
  ])("says that %s ended and how, once and in short lines, and leaves nothing", async (what, program) => {
    const up = new Foreground("main-up.ts", []);
    try {
      const ended = once(up.child, "close") as Promise<[number | null]>;
      await up.reaches(up.hasSaid("Ctrl-C stops everything."));
      const commandLine = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const pid = childrenOf(up.group).find((child) => commandLine(child).includes(program)) ?? 0;
      process.kill(pid, "SIGKILL");
      expect(await ended).toEqual([1, null]);
      const [, said = ""] = up.output.split("Ctrl-C stops everything.\n");
      const [empty, first, ...log] = said.trimEnd().split("\n");
      expect([empty, first]).toEqual(["", `${what} ended by itself, killed by SIGKILL. The end of its log:`]);
      expect(log.length).toBeGreaterThan(0);
      expect(log.length).toBeLessThanOrEqual(10);
      for (const line of log) expect(line).toMatch(/^ {2}.{0,301}$/);
      await vi.waitUntil(() => membersOf(up.group).length === 0, { timeout: GONE_TIMEOUT_MS });
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      if (membersOf(up.group).length > 0) process.kill(-up.group, "SIGKILL");
    }
  });
});
