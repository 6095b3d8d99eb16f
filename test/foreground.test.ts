// Ctrl-C, and a SIGTERM, in the demo, in `up` and in a benchmark, at every phase: the exit code says so, no stack is traced,
// and nothing is left of what was started, neither process nor folder. So it is when what they started ends by itself.

import { once } from "node:events";
import { readdirSync, rmSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { childrenRunning, membersOf } from "#bench/harness/processes.ts";
import { CLEAN, Foreground, GONE_TIMEOUT_MS, interrupted, type Phase } from "./foreground.ts";

const PHASES: Readonly<Record<string, Phase>> = {
  "Redis starts": (one) => one.hasFile("locus-redis-*"),
  "Redis loads the module": (one) => one.hasFile("locus-redis-*/redis.log"),
  "the node starts": (one) => one.hasFile("locus-redis-*/node.log"),
  "the graph is loaded": (one) => one.hasSaid("$ locus load wordnet"),
  "the ways are measured": (one) => one.hasSaid("$ redisclient khop"),
};

describe("a signal", () => {
  const everywhere = Object.entries(PHASES).flatMap(([name, phase]) =>
    [true, false].map((toGroup) => [name, toGroup ? "its group" : "itself alone", phase, toGroup] as const),
  );

  it.each(everywhere)("ends the demo while %s, sent to %s", async (_name, _target, phase, toGroup) => {
    expect(await interrupted(new Foreground("bench/main-demo.ts", []), phase, { toGroup })).toEqual(CLEAN);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends `up` (%s: %i)", async (signal, exitCode) => {
    const isUp: Phase = (one) => one.hasSaid("Ctrl-C stops everything.");
    const options = { signal, toGroup: signal === "SIGINT" };
    expect(await interrupted(new Foreground("bench/main-up.ts", []), isUp, options)).toEqual({ ...CLEAN, exitCode });
  });

  it.each(["the node starts", "peers are started"])("ends a benchmark while %s", async (name) => {
    const peersRun: Phase = (one) => () => membersOf(one.group).some((argv) => argv.includes("main-load"));
    const benchmark = new Foreground("bench/http.bench.ts", ["--smoke"]);
    expect(await interrupted(benchmark, PHASES[name] ?? peersRun, { toGroup: true })).toEqual(CLEAN);
  });
});

describe("`up`", () => {
  it("leaves nothing where it is killed itself, and can end nothing any more", async () => {
    const up = new Foreground("bench/main-up.ts", []);
    try {
      await up.reaches(up.hasSaid("Ctrl-C stops everything."));
      process.kill(up.group, "SIGKILL");
      await expect
        .poll(() => [...membersOf(up.group), ...readdirSync(up.folder)], { timeout: GONE_TIMEOUT_MS })
        .toEqual([]);
    } finally {
      if (membersOf(up.group).length > 0) process.kill(-up.group, "SIGKILL");
      rmSync(up.folder, { recursive: true, force: true });
    }
  });

  it.each([
    ["The node", "main-locus"],
    ["Redis", "redis-server"],
  ])("says that %s ended and how, once and in short lines, and leaves nothing", async (what, program) => {
    const up = new Foreground("bench/main-up.ts", []);
    try {
      const ended = once(up.child, "close") as Promise<[number | null]>;
      await up.reaches(up.hasSaid("Ctrl-C stops everything."));
      const [pid] = childrenRunning(up.group, program);
      expect(pid).toBeDefined();
      process.kill(pid!, "SIGKILL");
      expect(await ended).toEqual([1, null]);
      const [, said = ""] = up.output.split("Ctrl-C stops everything.\n");
      const [empty, first, ...log] = said.trimEnd().split("\n");
      expect([empty, first]).toEqual(["", `${what} ended by itself, killed by SIGKILL. The end of its log:`]);
      expect(log.length).toBeGreaterThan(0);
      expect(log.length).toBeLessThanOrEqual(10);
      for (const line of log) expect(line).toMatch(/^ {2}.{0,301}$/);
      await vi.waitUntil(() => membersOf(up.group).length === 0, { timeout: GONE_TIMEOUT_MS });
      expect(readdirSync(up.folder)).toEqual([]);
    } finally {
      if (membersOf(up.group).length > 0) process.kill(-up.group, "SIGKILL");
      rmSync(up.folder, { recursive: true, force: true });
    }
  });
});
