import { expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import topK from "./top-k.ts";

test("counts visits and lists the nodes most visited, this visit included", async () => {
  const memory = await memoryOf();
  await call(topK, { nodeId: "7" }, memory);
  await call(topK, { nodeId: "9", points: 5 }, memory);
  await call(topK, { nodeId: "8" }, memory);
  expect(await call(topK, { nodeId: "8", points: 1.5, k: 2 }, memory)).toEqual({
    points: 2.5,
    top: [
      { nodeId: "9", points: 5 },
      { nodeId: "8", points: 2.5 },
    ],
  });
});

test("writes and reads in one round, in this order", async () => {
  const memory = await memoryOf();
  await call(topK, { nodeId: "7" }, memory, ["board"]);
  expect(memory.rounds).toEqual([["zincrby board 1 7", "zrevrange board 0 9 WITHSCORES"]]);
});
