// `locus simulate` as a person runs it: a trace of the contest's format, comparisons, their pictures, and the 2020 contest's load.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import type { Comparison } from "#scheduler/simulator/compare.ts";
import type { Comparison2020, Report2020 } from "#scheduler/simulator/contest-2020.ts";
import type { Report } from "#scheduler/simulator/report.ts";
import { runTool } from "#test/tool.ts";

const POLICIES = ["forecast", "reference", "hybrid-histogram", "greedy-dual"];
const SYNTHETIC = "--synthetic 1 --functions 5 --hours 1";
const TIMEOUT_MS = 300_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-simulate-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const simulate = async (words: string): Promise<string> => {
  const { status, stdout, stderr } = await runTool("locus", ["simulate", ...words.split(" ")], {});
  expect([status, stderr.includes("error")]).toEqual([0, false]);
  return stdout;
};
const valueOf = async <Value>(words: string): Promise<Value> => JSON.parse(await simulate(`${words} --json`)) as Value;
const picturesIn = (place: string): readonly string[] => {
  const names = readdirSync(place).toSorted();
  for (const name of names) expect(readFileSync(join(place, name), "utf8")).toMatch(/^<svg .*<rect .*<\/svg>\n$/s);
  return names;
};

/** A data set of that name. */
function writeDataSet(name: string, metas: readonly object[], requests: readonly object[]): string {
  const set = join(folder, name);
  mkdirSync(set);
  const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  writeFileSync(join(set, "metas.gz"), gzipSync(lines(metas)));
  writeFileSync(join(set, "requests.gz"), gzipSync(lines(requests)));
  return set;
}

const REQUESTS = [
  ["f", 0, 1_000],
  ["f", 500, 1_000],
  ["g", 2_000, 200],
  ["f", 5_000, 1_000],
] as const;

describe("locus simulate of a folder", () => {
  let set: string;
  beforeAll(() => {
    const metas = [
      { key: "f", runtime: "go", memoryInMb: 1_024, timeoutInSecs: 60, initDurationInMs: 100 },
      { key: "g", runtime: "go", memoryInMb: 512, timeoutInSecs: 60, initDurationInMs: 0 },
    ];
    const requests = REQUESTS.map(([metaKey, at, durationsInMs]) => ({
      metaKey,
      startTime: 1_685_980_824_304 + at,
      durationsInMs,
      statusCode: 200,
    }));
    set = writeDataSet("by-hand", metas, requests);
  });

  it.each([
    {
      // Slots from 0, 500 and 2,000 until 6,000 ms: the second call finds the first one's busy, the last one of two free.
      options: "",
      name: "by-hand",
      gbSeconds: { held: 6 + 5.5 + 4 * 0.5, executed: 3 + 0.2 * 0.5 },
      seconds: { executed: 3.2, waited: 0.2 + 0.2 + 0.1 },
      starts: 3,
      coldShare: 3 / 4,
      coldShareOfFunctions: { p25: 2 / 3, p50: 2 / 3, p75: 1, p90: 1 },
      waitMs: { mean: 125, p50: 100, p99: 200, max: 200 },
      text: [
        "by-hand: 4 calls of 2 functions, policy fixed:never",
        "score 54.72 = memory 11.48 + waiting 43.24; higher is better, 100 is the most",
        "3 starts; 75 % of the calls waited; by function, at its 25th, 50th, 75th, 90th percentile: 67 %, 67 %, 100 %, 100 %",
        "waits: mean 125.0 ms, p50 100.0 ms, p99 200.0 ms, longest 200 ms",
        "memory: 3.1 GB·s executed, 10.4 GB·s held beside",
      ],
    },
    {
      // No call ends before the last has come, and that ends at 55,200 ms.
      options: " --durations 50",
      name: "by-hand × 50",
      gbSeconds: { held: 55.2 + 54.7 + 53.2 * 0.5 + 50.2, executed: 150 + 10 * 0.5 },
      seconds: { executed: 160, waited: 0.2 + 0.2 + 0.1 + 0.2 },
      starts: 4,
      coldShare: 1,
      coldShareOfFunctions: { p25: 1, p50: 1, p75: 1, p90: 1 },
      waitMs: { mean: 175, p50: 200, p99: 200, max: 200 },
      text: [
        "by-hand × 50: 4 calls of 2 functions, policy fixed:never",
        "score 91.29 = memory 41.51 + waiting 49.78; higher is better, 100 is the most",
        "4 starts; 100 % of the calls waited; by function, at its 25th, 50th, 75th, 90th percentile: 100 %, 100 %, 100 %, 100 %",
        "waits: mean 175.0 ms, p50 200.0 ms, p99 200.0 ms, longest 200 ms",
        "memory: 155.0 GB·s executed, 31.7 GB·s held beside",
      ],
    },
  ])("has a score, waits and memory that come to the same by hand$options", async ({ options, ...by }) => {
    const words = `${set}${options} --policy fixed:never`;
    const report = await valueOf<Report>(words);
    const memory = (by.gbSeconds.executed / by.gbSeconds.held) * 50;
    const waiting = (by.seconds.executed / (by.seconds.executed + by.seconds.waited)) * 50;
    expect(report).toEqual({
      trace: by.name,
      policy: "fixed:never",
      calls: 4,
      functions: 2,
      score: {
        score: expect.closeTo(memory + waiting, 9),
        resourceUsageScore: expect.closeTo(memory, 9),
        coldStartTimeScore: expect.closeTo(waiting, 9),
        executionSeconds: expect.closeTo(by.seconds.executed, 9),
        executionGbSeconds: expect.closeTo(by.gbSeconds.executed, 9),
        scheduleSeconds: expect.closeTo(by.seconds.waited, 9),
        slotGbSeconds: expect.closeTo(by.gbSeconds.held, 9),
      },
      starts: by.starts,
      coldShare: by.coldShare,
      coldShareOfFunctions: by.coldShareOfFunctions,
      waitMs: { ...by.waitMs, mean: expect.closeTo(by.waitMs.mean, 9) },
      wastedGbSeconds: expect.closeTo(by.gbSeconds.held - by.gbSeconds.executed, 9),
      forecastError: null,
      forecastErrors: {},
    });
    expect((await simulate(words)).trimEnd().split("\n")).toEqual(by.text);
  });

  it("has of each function how far forecasts missed, by name, and for people the median", async () => {
    // One that comes by the clock, one that comes at random intervals, and one that never comes back.
    const random = seededRandom(7);
    let atMs = 0;
    const requests = Array.from({ length: 40 }, (_, index) => [
      { metaKey: "clock", startTime: index * 60_000, durationsInMs: 10 },
      { metaKey: "dice", startTime: Math.round((atMs += random() * 100_000)), durationsInMs: 10 },
    ]).flat();
    const metas = ["clock", "dice", "once"].map((key) => ({ key, memoryInMb: 128, initDurationInMs: 10 }));
    const played = [...requests, { metaKey: "once", startTime: 5, durationsInMs: 10 }];
    const place = writeDataSet(
      "foreseen",
      metas,
      played.toSorted((one, other) => one.startTime - other.startTime),
    );
    const { forecastError, forecastErrors } = await valueOf<Report>(place);
    expect(Object.keys(forecastErrors)).toEqual(["clock", "dice"]);
    expect(forecastErrors["clock"]).toBeLessThan(0.01);
    expect(forecastErrors["dice"]).toBeGreaterThan(0.1);
    expect(forecastError).toBe(forecastErrors["clock"]);
    expect(await simulate(place)).toMatch(/^forecasts miss by .* of the interval \(median function\)$/m);
  });

  it("says which line of it is wrong", async () => {
    const unsorted = writeDataSet(
      "unsorted",
      [{ key: "f", memoryInMb: 1, initDurationInMs: 1 }],
      [2, 1].map((startTime) => ({ metaKey: "f", startTime, durationsInMs: 1 })),
    );
    const { status, stdout, stderr } = await runTool("locus", ["simulate", unsorted], {});
    expect([status === 0, stdout]).toEqual([false, ""]);
    expect(stderr).toContain(`${join(unsorted, "requests.gz")}, line 2: startTime 1 is before`);
  });
});

describe("locus simulate --compare", () => {
  it("has a report of each policy, a best fixed keep-alive that none beats, and pictures", async () => {
    const place = join(folder, "pictures", "of a trace");
    const { stdout } = await runTool(
      "locus",
      ["simulate", ...SYNTHETIC.split(" "), "--compare", "--plots", place, "--json"],
      {},
    );
    const { reports, hindsight } = JSON.parse(stdout) as Comparison;
    expect(reports.map(({ policy }) => policy)).toEqual(POLICIES);
    expect(new Set(reports.map(({ calls }) => calls))).toEqual(new Set([hindsight.calls]));
    expect(hindsight.calls).toBeGreaterThan(10);
    for (const name of ["fixed:0", "fixed:0.2", "fixed:10", "fixed:300", "fixed:never"]) {
      const { policy, score } = await valueOf<Report>(`${SYNTHETIC} --policy ${name}`);
      expect(policy).toBe(name);
      expect(hindsight.score.score).toBeGreaterThanOrEqual(score.score);
    }
    expect(picturesIn(place)).toEqual(["cold-starts.svg", "score.svg"]);
    expect(readFileSync(join(place, "score.svg"), "utf8")).toContain(hindsight.policy);
  });

  it("refuses a folder that it cannot draw into before it replays anything", async () => {
    const file = join(folder, "no-folder");
    writeFileSync(file, "");
    // A trace of hours in which millions of calls come.
    const words = `--synthetic 1 --functions 100000 --hours 336 --compare --plots ${file}`;
    const { status, stdout, stderr } = await runTool("locus", ["simulate", ...words.split(" ")], {});
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^REQUEST_INVALID: cannot write pictures to .*no-folder: EEXIST.*\nName a folder/);
  });

  it("is a table for people, who are told which pictures were drawn", async () => {
    const place = join(folder, "drawn");
    const { stdout, stderr } = await runTool(
      "locus",
      ["simulate", ...`${SYNTHETIC} --compare --plots ${place}`.split(" ")],
      {},
    );
    expect(stderr).toContain(`wrote ${join(place, "score.svg")}, ${join(place, "cold-starts.svg")}\n`);
    const [heads, ...lines] = stdout.trimEnd().split("\n");
    const [rows, [meaning]] = [lines.slice(0, -1), lines.slice(-1)];
    expect(meaning).toMatch(/higher is better, 100 is the most\.$/);
    expect(heads).toMatch(/^POLICY +SCORE +MEMORY +WAITING /);
    expect(rows.map((row) => /^\S+/.exec(row)?.[0])).toEqual([...POLICIES, expect.stringMatching(/^fixed:/)]);
    expect(rows.at(-1)).toContain("(hindsight)");
  });

  it("says of one policy's score, too, that higher is better", async () => {
    expect(await simulate(SYNTHETIC)).toMatch(
      /^score .* = memory .* \+ waiting .*; higher is better, 100 is the most$/m,
    );
  });
});

describe("locus simulate of one call", () => {
  it("counts in the singular", async () => {
    const request = { metaKey: "f", startTime: 0, durationsInMs: 1 };
    const set = writeDataSet("single", [{ key: "f", memoryInMb: 1, initDurationInMs: 0 }], [request]);
    expect(await simulate(set)).toMatch(/^single: 1 call of 1 function, .*\n.*\n1 start; 100 %/);
  });
});

describe("locus simulate --contest-2020", () => {
  it("scores a policy against the reference, by the weights and of the seed that it is told", async () => {
    const report = await valueOf<Report2020>("--contest-2020 --weights 0.75/0.25 --seed 4");
    const { responseTime, nodeDuration } = report;
    expect(report).toMatchObject({
      policy: "forecast",
      seed: 4,
      weights: { responseTime: 0.75, nodeDuration: 0.25 },
      calls: 73_300,
      errors: 0,
    });
    expect(report.score).toBeCloseTo(0.75 * responseTime + 0.25 * nodeDuration, 10);
    const text = await simulate("--contest-2020 --seed 4 --policy fixed:60");
    expect(text).toContain("73300 calls of 10 functions, policy fixed:60");
    expect(text).toMatch(/score \d\.\d{3} with weights 0\.5\/0\.5; the reference has 1/);
    const { starts, evictions } = report.reference;
    expect(text).toContain(`the reference: ${starts} starts, and ${evictions} containers ended for want of room\n`);
    expect(evictions).toBeGreaterThan(0);
  });

  it(
    "compares all policies with the reference, which has 1, and with the best fixed keep-alive",
    { timeout: TIMEOUT_MS },
    async () => {
      const place = join(folder, "2020");
      const { reports, hindsight } = await valueOf<Comparison2020>(`--contest-2020 --compare --plots ${place}`);
      expect(reports.map(({ policy }) => policy)).toEqual([...POLICIES, "nothing released"]);
      const ofReference = reports.at(-1)!;
      expect(ofReference).toMatchObject({ score: 1, responseTime: 1, nodeDuration: 1 });
      const { starts, evictions } = ofReference;
      for (const { reference } of reports) expect(reference).toEqual({ starts, evictions });
      // It keeps all that is not ended for others, and has no more than its nodes' memory of the smallest.
      expect(starts - evictions).toBeGreaterThan(0);
      expect(starts - evictions).toBeLessThanOrEqual((20 * 3_072) / 128);
      const fixed = await valueOf<Report2020>("--contest-2020 --policy fixed:300");
      expect(hindsight.score).toBeLessThanOrEqual(fixed.score);
      expect(picturesIn(place)).toEqual(["score.svg"]);
      const text = await simulate("--contest-2020 --compare");
      expect(text).toMatch(/\nnothing released .*\n.*\nLower SCORE.* are better; the reference has 1\.\n$/);
    },
  );

  it("is in the help, with what it takes", async () => {
    const help = await simulate("--help");
    for (const option of ["--contest-2020", "--weights <w/w>", "--seed <seed>", "--compare", "--plots <folder>"]) {
      expect(help).toContain(`  ${option}`);
    }
  });

  it.each([
    ["--contest-2020 --synthetic 1", "2 loads are named, --synthetic and --contest-2020"],
    ["/nowhere --contest-2020", "2 loads are named, a folder and --contest-2020"],
    ["--contest-2020 --hours 2", "'--contest-2020' cannot be used with option '--hours <n>'"],
    ["--contest-2020 --durations 2", "'--contest-2020' cannot be used with option '--durations <factor>'"],
    ["--contest-2020 --weights 1/1", '--weights is "1/1", must be two numbers above 0 that come to 1'],
    ["--synthetic 1 --weights 0.5/0.5", "--weights is of the 2020 contest's load: it needs --contest-2020"],
    ["--synthetic 1 --seed 2", "--seed is of the 2020 contest's load: it needs --contest-2020"],
    ["--contest-2020 --plots here", "--plots draws a comparison: it needs --compare"],
    ["/nowhere --functions 3", "--functions is of a synthetic trace: it needs --synthetic"],
    ["/nowhere --hours 3", "--hours is of a synthetic trace: it needs --synthetic"],
    ["--synthetic 1 --compare --policy reference", "'--compare' cannot be used with option '--policy <name>'"],
    ["", "the folder's name is empty"],
    ["--contest-2020 --policy best", 'there is no policy "best"'],
  ])("refuses %s", async (words, message) => {
    const { status, stderr } = await runTool("locus", ["simulate", ...words.split(" ")], {});
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
