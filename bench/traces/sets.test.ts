import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { scoredTraces } from "./sets.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "locus-sets-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const META = { key: "f", runtime: "r", memoryInMb: 128, timeoutInSecs: 60, initDurationInMs: 10 };

function addSet(name: string, calls: number, meta: object = META): void {
  const requests = Array.from({ length: calls }, (_, at) => ({ metaKey: "f", startTime: at * 10, durationsInMs: 1 }));
  mkdirSync(join(directory, name));
  writeFileSync(join(directory, name, "metas"), JSON.stringify(meta));
  writeFileSync(join(directory, name, "requests"), requests.map((one) => JSON.stringify(one)).join("\n"));
}

it("takes the data sets of a folder, and leaves out what is broken or says nothing of a policy", () => {
  addSet("broken", 100, { key: "f" });
  addSet("scored", 100);
  addSet("small", 99);
  mkdirSync(join(directory, "empty"));
  expect(scoredTraces(directory).map(({ name }) => name)).toEqual(["scored", "scored × 50"]);
});

it("says what it looked for in a folder that has nothing to score, and what was unfit there", () => {
  expect(() => scoredTraces(directory)).toThrow(
    / has no data set to score: looked for a folder with requests and metas/,
  );
  addSet("broken", 100, { key: "f" });
  addSet("small", 99);
  expect(() => scoredTraces(directory)).toThrow(/memoryInMb is missing.*small has 99 calls/);
  expect(() => scoredTraces(join(directory, "absent"))).toThrow(/no such file or directory.*absent/);
});

it("takes synthetic ones where no folder is given", () => {
  expect(scoredTraces(null)).toHaveLength(4);
});
