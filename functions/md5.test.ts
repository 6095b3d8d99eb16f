import { expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import md5 from "./md5.ts";

test("digests the value 512 times, reading it once", async () => {
  const memory = await memoryOf({ md5: "abc" });
  expect(await call(md5, undefined, memory)).toEqual({ md5: "900150983cd24fb0d6963f7d28e17f72", times: 512 });
  expect(memory.rounds).toEqual([["get md5"]]);
});

test("digests the key that its caller names", async () => {
  expect(await call(md5, undefined, await memoryOf({ empty: "" }), ["empty"])).toMatchObject({
    md5: "d41d8cd98f00b204e9800998ecf8427e",
  });
});

test("says which key is missing", async () => {
  await expect(call(md5, undefined)).rejects.toThrow("there is no value under the key md5");
});
