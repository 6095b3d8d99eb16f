import { expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import pagerank from "./pagerank.ts";

const rankOf = async (edges: number[][]) => {
  const { nodes, top } = await call(pagerank, undefined, await memoryOf({ pagerank: JSON.stringify(edges) }));
  return { nodes, ranks: Object.fromEntries(top.map(({ node, rank }) => [node, rank])) };
};

test("nodes in a ring rank alike", async () => {
  const { nodes, ranks } = await rankOf([
    [1, 2],
    [2, 3],
    [3, 1],
  ]);
  expect(nodes).toBe(3);
  for (const rank of Object.values(ranks)) expect(rank).toBeCloseTo(1 / 3, 12);
});

test("five epochs over three nodes give what the formula gives by hand", async () => {
  // 1 and 2 link to 3, which links to none and gives to all: with r the rank of 1 and of 2, and s of 3,
  // r' = 0.05 + 0.85 s / 3 and s' = r' + 0.85 · 2 r.
  let [r, s] = [1 / 3, 1 / 3];
  for (let epoch = 0; epoch < 5; epoch++) {
    const next = 0.05 + (0.85 * s) / 3;
    [r, s] = [next, next + 1.7 * r];
  }
  const { ranks } = await rankOf([
    [1, 3],
    [2, 3],
  ]);
  expect(ranks[1]).toBeCloseTo(r, 12);
  expect(ranks[3]).toBeCloseTo(s, 12);
  expect(2 * r + s).toBeCloseTo(1, 12);
});

test("an edge that is named twice counts once", async () => {
  expect(
    await rankOf([
      [1, 2],
      [1, 2],
      [1, 3],
    ]),
  ).toEqual(
    await rankOf([
      [1, 2],
      [1, 3],
    ]),
  );
});

test("reads the edge list once and ten more times in each of five epochs, one after the other", async () => {
  const memory = await memoryOf({ other: "[[1,2]]" });
  await call(pagerank, undefined, memory, ["other"]);
  expect(memory.rounds).toEqual(Array.from({ length: 51 }, () => ["get other"]));
});

test("says which key is missing", async () => {
  await expect(call(pagerank, undefined)).rejects.toThrow("there is no edge list under the key pagerank");
});
