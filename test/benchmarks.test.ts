// `./build.sh bench NAME --smoke --json FILE`, with real peers: that it runs to its end, and that its JSON has the shape that
// programs rely on which lay results side by side. What the figures are is no matter here.

import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Row } from "#bench/harness/contest.ts";
import type { Result } from "#bench/harness/result.ts";
import { predictedDetail } from "#bench/placement/contestants.ts";
import { SIDES } from "#bench/placement/prediction.ts";
import { NETWORK_RATIOS } from "#bench/placement/ratio-names-fixture.ts";
import { SUITE_NAMES } from "#bench/placement/suite.ts";
import { runCommand } from "./command.ts";

const REPOSITORY = join(import.meta.dirname, "..");
/** Of one benchmark: seconds, and on a loaded machine more. */
const TIMEOUT_MS = 600_000;
const FUNCTIONS = "empty tao score topK aggregate project pagerank khop hashPassword sha256 sieve md5".split(" ");
const CHAINS = [1, 4, 16, 64].flatMap((reads) => [0, 50, 500].map((computeUs) => `chain${reads}x${computeUs}`));
const MIXES = ["walkAndHash", "twoChains", "serveAndScore", "foldAndDigest", "cutAndSieve", "walkRankAndChain"];
const RATIOS = {
  access: [
    "storageChainPerLua",
    "storageFanoutPerLua",
    "computeChainVsClient",
    "computeFanoutVsClient",
    "storageCpuVsLua",
  ],
  khop: ["storageVsClient", "storageVsPipelined"],
  http: ["emptyVsFastify"],
  interference: [
    "plainThroughputKept",
    "functionThroughputKept",
    "plainP99Grown",
    "plainP99GrownByComputing",
    "plainP99KeptByNice",
  ],
  start: [
    "isolateMs",
    "warmStartUs",
    "firstCallMs",
    "hostRestartMs",
    "secondsToTakeOver",
    "calibrateMs",
    "idleCpuShare",
    "idleRssMb",
    "isolateMb",
  ],
  density: ["warmKept", "zipfKept", "placedKept", "coldMs", "isolateMb", "idleCpuShare", "deployGrowth", "startGrowth"],
  confinement: [
    "storageChainKept",
    "storageFanoutKept",
    "storageSieveKept",
    "storageSha256Kept",
    "computeChainKept",
    "computeFanoutKept",
    "storageKhopKept",
    "storageKhopManyKept",
    "confinedKept",
  ],
  controller: ["controllerCpuShare", "recordUs"],
  acquire: ["acquireVsEcho", "assignGrowth", "assignUs", "computePath"],
  packing: ["packingWaste"],
  quota: ["reservedPerUsed", "waitP99Grown"],
  traces: ["coldStartsVsHybrid", "score2020", "scoreGain", "scoreVsHindsight", "simulatedPerSecond"],
  autoloc: [
    "khopAutoVsClient",
    ...["khop", "md5", "pagerank", "mix"].flatMap((name) => [`${name}Gain1`, `${name}Gain8`]),
    "systemGain",
  ],
  overload: [
    "walksOverloadKept",
    "mixOverloadKept",
    "overloadKept",
    "overloadKeptHttp",
    "secondsToLeave",
    "secondsToLeaveWorst",
    "secondsToLeaveAmong40",
    "secondsToLeaveAmong40Worst",
    "secondsToLeaveDirect",
    "secondsToLeaveDirectWorst",
  ],
  placement: ["", "At1ms"].flatMap((network) =>
    [
      ...[...FUNCTIONS, ...CHAINS].map((name) => `${name}AutoVsBestStatic`),
      ...MIXES.flatMap((name) => [`${name}AutoVsOracle`, `${name}AutoVsBestPeerRule`]),
      ...NETWORK_RATIOS,
    ].map((name) => name + network),
  ),
  shift: [
    "secondsToAdapt",
    "secondsToAdaptWorst",
    "regret",
    "failed",
    "secondsToAdaptFloor",
    "secondsToAdaptWorstFloor",
    "secondsToAdaptStrictly",
    "secondsToAdaptWorstStrictly",
    "secondsToPlace",
    "secondsToPlaceWorst",
    "regretKayak",
    "regretDrift",
    "regretCrowd",
    "regretNeighbour",
    "regretSlowed",
  ],
} as const;
/** Pictures beside the JSON. */
const PICTURES: Readonly<Record<string, readonly string[]>> = {
  placement: ["functions", "mixes", "prediction"],
  shift: ["bimodal", "crowd", "drift", "neighbour", "slowed"],
  autoloc: ["places"],
  controller: ["parts"],
  overload: ["mix", "walks"],
  quota: ["reserved"],
};
/** What rows tell besides, by benchmark, detail and row: figures of something that was done, never nothing. */
const DETAILS: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  access: {
    redisCpuUsPerGet: /, (chain|fan-out)/,
    hostCpuUsPerGet: /^storage, (chain|fan-out)/,
    cpuUsPerGet: /^(ioredis|compute), /,
  },
  khop: { operationsPerCall: /^batch to |^redisclient, /, callerCpuUsPerCall: /./, redisCpuUsPerCall: /./ },
  // Of each function, of the side on which it was not called.
  placement: Object.fromEntries(
    SUITE_NAMES.flatMap((name) => SIDES.map((side) => [predictedDetail(name, side), /^prediction error/])),
  ),
  interference: {
    lockShare: /^functions, |^p99 at half rate, beside functions$/,
    getsPerSecond: /^p99 at half rate/,
    readsPerSecond: /^p99 at half rate, beside functions$/,
    callsPerSecond: /^p99 at half rate, beside computing/,
  },
};
/** Of what they have measured, where nobody gives them data. */
const WITHOUT_DATA: Readonly<Record<string, object>> = { autoloc: { nodes: 4_000, pagerank: "generated" } };
/** As AutoLoc's social.json. Each of a ring links to the two after it: five levels below a node are ten others. */
const RING = JSON.stringify(
  Object.fromEntries(
    Array.from({ length: 40 }, (_, id) => [
      String(id),
      { feature: [0], neigh: [1, 2].map((step) => String((id + step) % 40)) },
    ]),
  ),
);
/** Of one whole; in a smoke run's short window the looks at either end count too. */
const SHARE = /Share$/;
const SHARE_MAX = 2;
/** Medians of other ratios, of each of which they have one value. */
const BETWEEN: Readonly<Record<string, number>> = {
  autoVsBestPeerRuleMedian: MIXES.length,
  autoVsBestPeerRuleMedianAt1ms: MIXES.length,
};
/** Of some ratios docs/benchmarks.md tells of one network, and asks the same of all. */
const NETWORK = /At[0-9]+(us|ms)$/;
/** Whose figures may be nothing, or less. */
const CAN_BE_NOTHING = /^(seconds|failed|lost|doubled|regret)/;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-bench-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const isSound = (figure: string, value: number): boolean =>
  Number.isFinite(value) && (value > 0 || CAN_BE_NOTHING.test(figure));

/** As `≥ 0.93`, or undefined. */
type Bounds = Readonly<Record<"must" | "aim", string | undefined>>;

const NOTHING_ASKED: Bounds = { must: undefined, aim: undefined };

const boundOf = (better: Row["better"], bound: number | undefined): string | undefined =>
  bound === undefined ? undefined : `${better === "more" ? "≥" : "≤"} ${bound}`;

/** What docs/benchmarks.md says of each ratio of which it tells figures: the last two cells of its row. A bound without a sign is 0, than which nothing is less. */
function documentedBounds(): ReadonlyMap<string, Bounds> {
  const boundIn = (cell: string): string | undefined =>
    cell === ""
      ? undefined
      : boundOf(cell.startsWith("≥") ? "more" : "less", Number(/[\d.,]+/.exec(cell)?.[0].replaceAll(",", "")));
  const bounds = new Map<string, Bounds>();
  let isOfFigures = false;
  for (const line of readFileSync(join(REPOSITORY, "docs/benchmarks.md"), "utf8").split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim());
    const name = /^`(\w+)`/.exec(cells[1] ?? "")?.[1];
    if (cells.at(-3) === "must reach") isOfFigures = true;
    else if (!line.startsWith("|")) isOfFigures = false;
    else if (isOfFigures && name !== undefined)
      bounds.set(name, { must: boundIn(cells.at(-3)!), aim: boundIn(cells.at(-2)!) });
  }
  return bounds;
}

/** Runs it in seconds; the result is in `FILE` then, and what it printed is resolved with. */
const runSmoke = (name: string, file: string, ...more: readonly string[]): Promise<string> =>
  runCommand(["./build.sh", "bench", name, "--smoke", "--json", file, ...more], {
    directory: REPOSITORY,
    timeoutMs: TIMEOUT_MS,
  });
const resultIn = (file: string): Result => JSON.parse(readFileSync(file, "utf8")) as Result;

it("knows every benchmark", () => {
  const names = globSync("*.bench.ts", { cwd: join(REPOSITORY, "bench") }).map((file) => file.replace(".bench.ts", ""));
  expect(names.toSorted()).toEqual(Object.keys(RATIOS).toSorted());
});

it("is told of in docs/benchmarks.md with no ratio that it does not have", () => {
  const ratios = new Set(Object.values(RATIOS).flat());
  const asked = [...documentedBounds()].filter(([, { must, aim }]) => must !== undefined || aim !== undefined);
  expect(asked.length).toBeGreaterThan(20);
  // A smoke run knows fewer networks; what is asked of one is asked of all.
  const ofNetworks = asked.filter(([name]) => !ratios.has(name));
  expect(ofNetworks).toEqual([["predictionErrorMedianAt200us", documentedBounds().get("predictionErrorMedian")]]);
});

describe("./build.sh bench NAME --smoke --json FILE", { timeout: TIMEOUT_MS }, () => {
  it.each(Object.entries(RATIOS))("measures %s, and writes what it came to", async (name, ratioNames) => {
    const file = join(folder, `${name}.json`);
    const printed = await runSmoke(name, file);
    const result = resultIn(file);

    expect(Object.keys(result)).toEqual(["bench", "commit", "machine", "config", "rows", "ratios"]);
    const { bench, commit, machine, config, rows, ratios } = result;
    expect(bench).toBe(name);
    expect(commit).toMatch(/^([0-9a-f]{40}(-dirty)?|unknown)$/);
    expect(machine).toMatchObject({ cores: expect.any(Number), versions: { node: expect.any(String) } });
    expect(config).toMatchObject({ mode: "smoke", effort: expect.any(Object), sharing: expect.any(String) });
    expect(config).toMatchObject(WITHOUT_DATA[name] ?? {});

    expect(Object.keys(ratios).toSorted()).toEqual(ratioNames.toSorted());
    const wrong = Object.entries(ratios).filter(([key, ratio]) => !isSound(key, ratio));
    expect(wrong).toEqual([]);
    expect(rows.flatMap((row) => (row.unit === "ratio" ? [row.name] : [])).toSorted()).toEqual(ratioNames.toSorted());
    for (const { name: row, median, min, max, repetitions } of rows) {
      expect([median, min, max, ...repetitions].every((value) => isSound(row, value))).toBe(true);
      expect(repetitions).toHaveLength(
        BETWEEN[row] ?? (config["effort"] as { readonly repetitions: number }).repetitions,
      );
    }
    for (const row of rows) expect(printed).toContain(row.name);
    const documented = documentedBounds();
    for (const { name: row, better, must, aim } of rows.filter(({ unit }) => unit === "ratio")) {
      const said = documented.get(row) ?? documented.get(row.replace(NETWORK, "")) ?? NOTHING_ASKED;
      expect(said, `what is asked of ${row}`).toEqual({ must: boundOf(better, must), aim: boundOf(better, aim) });
    }
    for (const [detail, pattern] of Object.entries(DETAILS[name] ?? {})) {
      const told = rows.filter((row) => row.unit !== "ratio" && pattern.test(row.name));
      expect(told).not.toHaveLength(0);
      for (const row of told) {
        const figure = row.details?.[detail];
        expect(figure, `${detail} of ${row.name}`).toBeGreaterThan(0);
        expect(figure).toBeLessThan(SHARE.test(detail) ? SHARE_MAX : Infinity);
      }
    }

    const pictures = globSync(`${name}.*.svg`, { cwd: folder }).toSorted();
    expect(pictures).toEqual((PICTURES[name] ?? []).map((picture) => `${name}.${picture}.svg`));
    for (const picture of pictures) expect(readFileSync(join(folder, picture), "utf8")).toMatch(/^<svg .*<\/svg>\s*$/s);
  });

  it("walks the graph that --data has, to depth 5", async () => {
    writeFileSync(join(folder, "social.json"), RING);
    const file = join(folder, "khop-of-data.json");
    await runSmoke("khop", file, "--data", folder);
    const { config, rows } = resultIn(file);
    expect(config).toMatchObject({
      graph: expect.stringMatching(/^AutoLoc's social\.json \(SHA-256 [0-9a-f]{16}\)$/),
      nodes: 40,
      edges: 80,
      depth: 5,
    });
    const reads = rows.flatMap(({ details }) => details?.["operationsPerCall"] ?? []);
    expect(reads.length).toBeGreaterThanOrEqual(5);
    expect(new Set(reads)).toEqual(new Set([11]));
  });

  it("runs AutoLoc's functions on AutoLoc's data, packed or not, and not on half of it", async () => {
    const data = join(folder, "autoloc-data");
    mkdirSync(data);
    const edges = Array.from({ length: 40 }, (_, id) => [id, (id + 1) % 40]);
    writeFileSync(join(data, "pagerank.json"), JSON.stringify(edges));
    const file = join(folder, "autoloc-of-data.json");
    await expect(runSmoke("autoloc", file, "--data", data)).rejects.toThrow(
      /pagerank\.json is of no use without AutoLoc's social\.json(?![^]*\n +at )/,
    );
    rmSync(join(data, "pagerank.json"));
    writeFileSync(join(data, "pagerank.json.gz"), gzipSync(JSON.stringify(edges)));
    writeFileSync(join(data, "social.json.gz"), gzipSync(RING));
    await runSmoke("autoloc", file, "--data", data);
    expect(resultIn(file).config).toMatchObject({
      graph: expect.stringMatching(/^AutoLoc's social\.json/),
      nodes: 40,
      pagerank: "AutoLoc's pagerank.json",
    });
  });

  it("scores the policies on the data sets that --data has, and on nothing else", async () => {
    const data = join(folder, "data");
    const calls = Array.from({ length: 120 }, (_, at) => ({ metaKey: "f", startTime: at * 250, durationsInMs: 20 }));
    mkdirSync(join(data, "small"), { recursive: true });
    const meta = { key: "f", runtime: "r", memoryInMb: 128, timeoutInSecs: 60, initDurationInMs: 100 };
    writeFileSync(join(data, "small", "metas.jsonl"), JSON.stringify(meta));
    writeFileSync(join(data, "small", "requests.jsonl"), calls.map((call) => JSON.stringify(call)).join("\n"));
    const file = join(folder, "traces-of-data.json");
    await runSmoke("traces", file, "--data", data);
    const traces = ["small", "small × 50"];
    expect(resultIn(file).config).toMatchObject({ traces, scores: traces.map((trace) => ({ trace })) });
    await expect(runSmoke("traces", file, "--data", join(data, "small"))).rejects.toThrow(
      /has no data set to score(?![^]*\n +at )/,
    );
  });
});
