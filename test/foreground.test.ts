// Ctrl-C, and a SIGTERM, in the demo, in `up` and in a benchmark, at every phase: the exit code says so, no stack is traced,
// and nothing is left of what was started, neither process nor folder.

import { describe, expect, it } from "vitest";
import { membersOf } from "#bench/harness/processes.ts";
import { CLEAN, Foreground, interrupted, type Phase } from "./foreground.ts";

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
