import { describe, expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import tao from "./tao.ts";

const graph = { "1": '{"neigh":["2","3","4"]}', "2": '{"neigh":["1"]}', "3": '{"neigh":[]}' };

describe("tao", () => {
  test.for([
    ["object", {}, { object: { id: "1", links: 3 } }],
    ["link", { to: "3" }, { linked: true }],
    ["link", { to: "9" }, { linked: false }],
    ["count", {}, { count: 3 }],
  ] as const)("reads a %s (%j) in one round", async ([read, args, expected]) => {
    const memory = await memoryOf(graph);
    expect(await call(tao, { nodeId: "1", read, ...args }, memory)).toEqual(expected);
    expect(memory.rounds).toEqual([["get 1"]]);
  });

  test("reads the first links with the objects at their ends, in a second round", async () => {
    const memory = await memoryOf(graph);
    const range = [
      { id: "2", links: 1 },
      { id: "3", links: 0 },
    ];
    expect(await call(tao, { nodeId: "1", read: "range", limit: 2 }, memory)).toEqual({ range });
    expect(memory.rounds).toEqual([["get 1"], ["mget 2 3"]]);
  });

  test("a link may lead to an object that is not there, and an object may have none", async () => {
    expect(await call(tao, { nodeId: "1" }, await memoryOf(graph))).toMatchObject({
      range: [{ id: "2" }, { id: "3" }, { id: "4", links: 0 }],
    });
    expect(await call(tao, { nodeId: "9" }, await memoryOf(graph))).toEqual({ range: [] });
  });
});
