// `./build.sh bench NAME --smoke --json FILE`, with real peers: that it runs to its end, and that its JSON has the shape that
// programs rely on which lay results side by side. What the figures are is no matter here.

import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Result } from "#bench/harness/result.ts";
import { runCommand } from "./command.ts";

const REPOSITORY = join(import.meta.dirname, "..");
/** Of one benchmark: seconds, and on a loaded machine more. */
const TIMEOUT_MS = 300_000;
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
  interference: ["plainThroughputKept", "functionThroughputKept", "plainP99Grown"],
  start: ["isolateMs", "warmStartUs", "firstCallMs", "hostRestartMs", "idleCpuShare", "idleRssMb", "isolateMb"],
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
  overload: ["walksOverloadKept", "mixOverloadKept", "overloadKept"],
  placement: [
    ...[...FUNCTIONS, ...CHAINS].map((name) => `${name}AutoVsBestStatic`),
    ...MIXES.flatMap((name) => [`${name}AutoVsOracle`, `${name}AutoVsBestPeerRule`]),
    "autoVsBestStatic",
    "mixAutoVsBestStatic",
    "mixAutoVsComputeOnly",
    "mixAutoVsStorageOnly",
    "autoVsOracle",
    "autoVsBestPeerRule",
    "autoVsBestPeerRuleMedian",
    "predictionErrorMedian",
    "predictionErrorMedianAt1ms",
  ],
  shift: [
    "secondsToAdapt",
    "secondsToAdaptWorst",
    "regret",
    "failed",
    "regretKayak",
    "regretDrift",
    "regretCrowd",
    "regretNeighbour",
    "regretSlowed",
  ],
} as const;
/** Pictures beside the JSON. */
const PICTURES: Readonly<Record<string, readonly string[]>> = {
  placement: ["functions", "mixes"],
  shift: ["bimodal"],
  overload: ["mix", "walks"],
  quota: ["reserved"],
};
/** Whose figures may be nothing, or less. */
const CAN_BE_NOTHING = /^(seconds|failed|regret)/;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-bench-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const isSound = (figure: string, value: number): boolean =>
  Number.isFinite(value) && (value > 0 || CAN_BE_NOTHING.test(figure));

it("knows every benchmark", () => {
  const names = globSync("*.bench.ts", { cwd: join(REPOSITORY, "bench") }).map((file) => file.replace(".bench.ts", ""));
  expect(names.toSorted()).toEqual(Object.keys(RATIOS).toSorted());
});

describe("./build.sh bench NAME --smoke --json FILE", { timeout: TIMEOUT_MS }, () => {
  it.each(Object.entries(RATIOS))("measures %s, and writes what it came to", async (name, ratioNames) => {
    const file = join(folder, `${name}.json`);
    const argv = ["./build.sh", "bench", name, "--smoke", "--json", file];
    const printed = await runCommand(argv, { directory: REPOSITORY, timeoutMs: TIMEOUT_MS });
    const result = JSON.parse(readFileSync(file, "utf8")) as Result;

    expect(Object.keys(result)).toEqual(["bench", "commit", "machine", "config", "rows", "ratios"]);
    const { bench, commit, machine, config, rows, ratios } = result;
    expect(bench).toBe(name);
    expect(commit).toMatch(/^([0-9a-f]{40}(-dirty)?|unknown)$/);
    expect(machine).toMatchObject({ cores: expect.any(Number), versions: { node: expect.any(String) } });
    expect(config).toMatchObject({ mode: "smoke", effort: expect.any(Object), sharing: expect.any(String) });

    expect(Object.keys(ratios).toSorted()).toEqual(ratioNames.toSorted());
    const wrong = Object.entries(ratios).filter(([key, ratio]) => !isSound(key, ratio));
    expect(wrong).toEqual([]);
    expect(rows.flatMap((row) => (row.unit === "ratio" ? [row.name] : [])).toSorted()).toEqual(ratioNames.toSorted());
    for (const { name: row, median, min, max, repetitions } of rows) {
      expect([median, min, max, ...repetitions].every((value) => isSound(row, value))).toBe(true);
      expect(repetitions).toHaveLength((config["effort"] as { readonly repetitions: number }).repetitions);
    }
    for (const row of rows) expect(printed).toContain(row.name);

    const pictures = globSync(`${name}.*.svg`, { cwd: folder }).toSorted();
    expect(pictures).toEqual((PICTURES[name] ?? []).map((picture) => `${name}.${picture}.svg`));
    for (const picture of pictures) expect(readFileSync(join(folder, picture), "utf8")).toMatch(/^<svg .*<\/svg>\s*$/s);
  });
});
