// Keys: any bytes in operations, any Unicode where a call declares them; those of locus are refused however they are written.

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { bundleOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

describe.each(SIDE_NAMES)("keys on %s", (name) => {
  let side: TestSide;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  it("may have any bytes, and so may values", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        const keys = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte, 13, 10, 0, byte));
        await Promise.all(keys.map((key) => redis.set(key, key)));
        const values = await Promise.all(keys.map((key) => redis.getBuffer(key)));
        const wrong = values.filter((value, byte) => String(value) !== String(keys[byte]));
        return [wrong, await redis.exists("", "\0", "\r\n"), await redis.set("", "empty"), await redis.get("")];
      }),
    );
    expect(await result()).toEqual([[], 0, "OK", "empty"]);
  });

  it("are declared as they are written, and come to the function so", async () => {
    const { result } = await side.deploy(bundleOf(({ keys }) => keys));
    const keys = ["", "\0", "\r\n*1", "\u{10ffff}é", "k".repeat(100_000), "locus:declared", "k", "k"];
    expect(await result({ keys })).toEqual(keys);
  });

  it("that are locus' own are refused as text and as bytes, and others that look like them are not", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        const codes = [];
        for (const key of ["locus:", "locus:x", new TextEncoder().encode("locus:x"), "Locus:x", "locus", " locus:x"]) {
          codes.push(await redis.set(key, "1").catch((error: Error & { code?: string }) => error.code));
        }
        return codes;
      }),
    );
    expect(await result()).toEqual(["COMMAND_REFUSED", "COMMAND_REFUSED", "COMMAND_REFUSED", "OK", "OK", "OK"]);
  });
});
