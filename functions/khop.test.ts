import { expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import khop from "./khop.ts";

/** 1 → 2, 3; 2 → 4; 3 → 4, 1; 4 → 5, 9 (which is not there); 5 → 1. */
const graph = {
  "1": '{"neigh":["2","3"]}',
  "2": '{"neigh":["4"],"word":"two"}',
  "3": '{"neigh":["4","1"]}',
  "4": '{"neigh":["5","9"]}',
  "5": '{"neigh":["1"]}',
};

test.for([
  { depth: 0, visited: 1, edges: 2 },
  { depth: 1, visited: 3, edges: 5 },
  { depth: 2, visited: 4, edges: 7 },
  { depth: 3, visited: 6, edges: 8 },
  { depth: 100, visited: 6, edges: 8 },
])("a walk of depth $depth visits $visited nodes", async ({ depth, visited, edges }) => {
  expect(await call(khop, { nodeId: "1", depth }, await memoryOf(graph))).toEqual({ visited, edges });
});

test("a walk has depth 2 unless told otherwise", async () => {
  expect(await call(khop, { nodeId: "1" }, await memoryOf(graph))).toEqual({ visited: 4, edges: 7 });
});

test("each level is read in one round, and each node once", async () => {
  const memory = await memoryOf(graph);
  await call(khop, { nodeId: "1", depth: 3 }, memory);
  expect(memory.rounds).toEqual([["get 1"], ["get 2", "get 3"], ["get 4"], ["get 5", "get 9"]]);
});

test("a node that is not there is an empty one", async () => {
  expect(await call(khop, { nodeId: "7", depth: 5 }, await memoryOf(graph))).toEqual({ visited: 1, edges: 0 });
});
