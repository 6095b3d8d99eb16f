import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { call, memoryOf } from "#runtime/function/memory-call.ts";
import sha256 from "./sha256.ts";

test("digests the value of the key that its caller names", async () => {
  expect(await call(sha256, undefined, await memoryOf({ it: "abc" }), ["it"])).toEqual({
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    bytes: 3,
  });
});

test("digests 64 KiB of its own where no key is named", async () => {
  const bytes = Uint8Array.from({ length: 65_536 }, (_, index) => index % 256);
  expect(await call(sha256, undefined)).toEqual({
    sha256: createHash("sha256").update(bytes).digest("hex"),
    bytes: 65_536,
  });
});
