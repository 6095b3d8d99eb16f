import { expect, test } from "vitest";
import empty from "./empty.ts";
import { call, memoryOf } from "./fixture/call.ts";

test("does nothing", async () => {
  const memory = memoryOf();
  expect(await call(empty, {}, memory)).toBeNull();
  expect(memory.rounds).toEqual([]);
});
