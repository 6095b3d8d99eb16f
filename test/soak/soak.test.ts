// A short soak with a fixed seed, in which all promises hold; and such as must be caught: functions that write twice, that
// say that they wrote and did not, that answer for another.

import { expect, it } from "vitest";
import { Foreground, interrupted, CLEAN, type Phase } from "#test/foreground.ts";
import { inCopies, WORKLOAD, type WorkloadFunctions } from "./functions.ts";
import { type EpisodeReport, soak, type SoakOptions } from "./soak.ts";

const options = (rest: Partial<SoakOptions>): SoakOptions => ({
  seed: 20_260_101,
  minutes: 10,
  firstEpisode: 1,
  episodes: 2,
  episodeMs: 15_000,
  callsPerSecond: 20,
  functions: WORKLOAD,
  signal: new AbortController().signal,
  onProgress: () => {},
  onEpisode: () => {},
  onBroken: () => {},
  ...rest,
});

const rulesOf = (reports: readonly EpisodeReport[]): ReadonlySet<string> =>
  new Set(reports.flatMap(({ violations }) => violations.map(({ rule }) => rule)));

/** A promise that was broken once is broken. */
const ONCE = { timeout: 900_000, retry: 0 } as const;

it("keeps all promises while everything dies, for a few minutes", ONCE, async () => {
  const reports = await soak(options({ episodes: 6, functions: inCopies(WORKLOAD, 500) }));
  expect(reports.flatMap(({ violations }) => violations)).toEqual([]);
  expect(reports).toHaveLength(7);
  for (const { episode, endings, faults } of reports) {
    expect(endings["ok"]).toBeGreaterThan(50);
    expect(Object.keys(faults).length > 0).toBe(episode > 0);
  }
  // The seed has several, each of which Redis may refuse.
  const promotions = reports.flatMap(({ faults }) =>
    Object.keys(faults).filter((name) => /failover|promote/.test(name)),
  );
  expect(promotions.length).toBeGreaterThan(0);
});

it("plays an episode with faults however short it is to be", { timeout: 120_000 }, async () => {
  const reports = await soak(options({ minutes: 0, episodeMs: 3_000 }));
  expect(reports.map(({ episode }) => episode)).toEqual([0, 1]);
  expect(rulesOf(reports)).toEqual(new Set());
});

it("catches functions that break what is promised for them", { timeout: 120_000 }, async () => {
  const one = WORKLOAD["soak-write-once"]!;
  const functions: WorkloadFunctions = {
    "soak-twice": {
      ...one,
      run: async ({ redis, args }) => {
        await redis.rpush(`soak:w:${args.id}`, "1");
        await redis.rpush(`soak:w:${args.id}`, "1");
        return args.id;
      },
    },
    "soak-liar": { ...one, run: ({ args }) => args.id },
    "soak-other": {
      ...one,
      run: async ({ redis, args }) => {
        await redis.rpush(`soak:w:${args.id}`, "1");
        return `not ${args.id}`;
      },
    },
    "soak-thrower": {
      ...one,
      run: () => {
        throw new Error("because");
      },
    },
  };
  const reports = await soak(options({ episodes: 0, episodeMs: 3_000, functions }));
  expect(reports).toHaveLength(1);
  expect(rulesOf(reports)).toEqual(
    new Set(["nothing is written twice", "acknowledged writes are there", "the right answer", "errors are typed"]),
  );
});

it.each([
  ["starts", (one) => one.hasFile("locus-redis-*"), true],
  ["warms up", (one) => one.hasSaid("episode 0: "), true],
  ["breaks things", (one) => () => /episode 1: \d+ calls, [1-9]/.test(one.output), false],
] as const satisfies readonly (readonly [string, Phase, boolean])[])(
  "leaves nothing behind when it is interrupted while it %s, and says that it was",
  { timeout: 120_000 },
  async (_, phase, toGroup) => {
    const soaking = new Foreground("test/soak/main-soak.ts", ["--minutes", "10"]);
    expect(await interrupted(soaking, phase, { toGroup })).toEqual({ ...CLEAN, saidSo: false });
    expect(soaking.output).toMatch(/^It was interrupted by SIGINT\.\nNothing was tested/m);
  },
);
