import { expect, test } from "vitest";
import aggregate from "./aggregate.ts";
import { call, memoryOf } from "#runtime/function/memory-call.ts";

test("folds the neighbours of a node, read all at once", async () => {
  const memory = await memoryOf({
    "1": '{"neigh":["2","3","4"]}',
    "2": '{"neigh":["1"]}',
    "3": '{"neigh":["1","2","4"]}',
  });
  expect(await call(aggregate, { nodeId: "1" }, memory)).toEqual({ neighbours: 3, edges: 4, degreeMax: 3 });
  expect(memory.rounds).toEqual([["get 1"], ["mget 2 3 4"]]);
});

test("a node without neighbours gives nothing to fold", async () => {
  expect(await call(aggregate, { nodeId: "1" })).toEqual({ neighbours: 0, edges: 0, degreeMax: 0 });
});
