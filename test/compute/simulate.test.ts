// `locus simulate` as a person runs it: comparisons, their pictures, and the 2020 contest's load.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Comparison } from "#scheduler/simulator/compare.ts";
import type { Comparison2020, Report2020 } from "#scheduler/simulator/contest-2020.ts";
import type { Report } from "#scheduler/simulator/report.ts";
import { runTool } from "#test/tool.ts";

const POLICIES = ["forecast", "reference", "hybrid-histogram", "greedy-dual"];
const SYNTHETIC = "--synthetic 1 --functions 5 --hours 1";
const TIMEOUT_MS = 180_000;

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

  it("is a table for people", async () => {
    const [heads, ...lines] = (await simulate(`${SYNTHETIC} --compare`)).trimEnd().split("\n");
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
  });

  it(
    "compares all policies with the reference, which has 1, and with the best fixed keep-alive",
    { timeout: TIMEOUT_MS },
    async () => {
      const place = join(folder, "2020");
      const { reports, hindsight } = await valueOf<Comparison2020>(`--contest-2020 --compare --plots ${place}`);
      expect(reports.map(({ policy }) => policy)).toEqual([...POLICIES, "nothing released"]);
      expect(reports.at(-1)).toMatchObject({ score: 1, responseTime: 1, nodeDuration: 1 });
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
    ["--contest-2020 --policy best", 'there is no policy "best"'],
  ])("refuses %s", async (words, message) => {
    const { status, stderr } = await runTool("locus", ["simulate", ...words.split(" ")], {});
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
