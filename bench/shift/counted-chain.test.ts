import { expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import countedChain from "./counted-chain.ts";

test("a chain is counted under its number, once, after its last read", async () => {
  const memory = await memoryOf({ "1": '{"neigh":["2"]}', "2": '{"neigh":[]}' });
  const args = { call: 7, nodeId: "1", reads: 2 };
  expect(await call(countedChain, args, memory, ["counts"])).toMatchObject({ last: "1" });
  expect(memory.rounds).toEqual([["get 1"], ["get 2"], ["hincrby counts 7 1"]]);
});
