import { expect, test } from "vitest";
import chain from "./chain.ts";
import { call, memoryOf } from "#runtime/function/memory-call.ts";

const graph = { "1": '{"neigh":["2","9"]}', "2": '{"neigh":["3"]}', "3": '{"neigh":[]}' };

test("each read is named by the one before, and waits for it", async () => {
  const memory = await memoryOf(graph);
  expect(await call(chain, { nodeId: "1", reads: 2 }, memory)).toMatchObject({ last: "3" });
  expect(memory.rounds).toEqual([["get 1"], ["get 2"]]);
});

test("a chain begins again at a dead end, so that it has the length asked for", async () => {
  const memory = await memoryOf(graph);
  await call(chain, { nodeId: "1", reads: 5 }, memory);
  expect(memory.rounds.flat()).toEqual(["get 1", "get 2", "get 3", "get 1", "get 2"]);
});

test("the computing grows with what was asked for, and its result with it", async () => {
  const { spun } = await call(chain, { nodeId: "1", reads: 0 });
  expect(spun).toBe(1);
  expect((await call(chain, { nodeId: "1", reads: 0, computeUs: 3 })).spun).not.toBe(1);
});
