import { expect, test } from "vitest";
import empty from "./empty.ts";
import { call, memoryOf } from "#runtime/function/memory-call.ts";

test("does nothing", async () => {
  const memory = await memoryOf();
  expect(await call(empty, {}, memory)).toBeNull();
  expect(memory.rounds).toEqual([]);
});
