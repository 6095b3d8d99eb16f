import { expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import project from "./project.ts";

test("returns the first bytes of a large value, and its length", async () => {
  expect(await call(project, { bytes: 3 }, await memoryOf({ md5: "x".repeat(65_536) }))).toEqual({
    of: 65_536,
    head: "xxx",
  });
});

test("leaves out a character that the cut has split", async () => {
  expect(await call(project, { bytes: 4 }, await memoryOf({ it: "Grüße" }), ["it"])).toEqual({ of: 7, head: "Grü" });
  expect(await call(project, { bytes: 3 }, await memoryOf({ it: "Grüße" }), ["it"])).toEqual({ of: 7, head: "Gr" });
});

test("a key that is not there is empty", async () => {
  expect(await call(project, null)).toEqual({ of: 0, head: "" });
});
