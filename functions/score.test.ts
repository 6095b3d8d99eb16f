import { expect, test, vi } from "vitest";
import { sampleEntries } from "#compute/cli/load/samples.ts";
import { call, memoryOf } from "#runtime/function/memory-call.ts";

/** As in a new isolate, which keeps nothing yet. */
async function freshScore() {
  vi.resetModules();
  return (await import("./score.ts")).default;
}

/** Tells by the first feature whether it is below a half, and by the second. */
const forestOf = (version: string, leaves: readonly number[]): string =>
  JSON.stringify({ version, depth: 2, trees: [{ features: [0, 1, 1], thresholds: [0.5, 0.5, 0.5], leaves }] });

const rows = {
  "features:0": "[0.1,0.1]",
  "features:1": "[0.1,0.9]",
  "features:2": "[0.9,0.1]",
  "features:3": "[0.9,0.9]",
};

test("each row falls into the leaf that its features lead to", async () => {
  const score = await freshScore();
  const memory = await memoryOf({ "forest:version": "a", forest: forestOf("a", [1, 2, 3, 4]), ...rows });
  const scores = ["0", "1", "2", "3"].map((nodeId) => call(score, { nodeId }, memory));
  expect((await Promise.all(scores)).map((result) => result.score)).toEqual([1, 2, 3, 4]);
});

test("the forest is read once, and again when its version is another", async () => {
  const score = await freshScore();
  const memory = await memoryOf({ "forest:version": "a", forest: forestOf("a", [1, 2, 3, 4]), ...rows });
  await call(score, { nodeId: "1" }, memory);
  await call(score, { nodeId: "2" }, memory);
  expect(memory.rounds.flat()).toEqual([
    "mget forest:version features:1",
    "get forest",
    "mget forest:version features:2",
  ]);

  await memory.redis.mset({ "forest:version": "b", forest: forestOf("b", [5, 6, 7, 8]) });
  expect(await call(score, { nodeId: "1" }, memory)).toEqual({ score: 6, version: "b" });
});

test("every node has a row among those that are loaded with a graph", async () => {
  const score = await freshScore();
  const memory = await memoryOf(Object.fromEntries(sampleEntries(null)));
  for (const nodeId of ["1", "255", "256", "117791"]) {
    const { score: mean } = await call(score, { nodeId }, memory);
    expect(mean).toBeGreaterThan(0.3);
    expect(mean).toBeLessThan(0.7);
  }
});

test("says what is missing where nothing was loaded", async () => {
  await expect(call(await freshScore(), { nodeId: "1" })).rejects.toThrow("locus load writes both");
});
