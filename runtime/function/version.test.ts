import { expect, test } from "vitest";
import { versionOf } from "./version.ts";

test("a version is the beginning of the bundle's SHA-256", () => {
  expect(versionOf(new TextEncoder().encode("abc"))).toBe("ba7816bf8f01cfea");
  expect(versionOf(new Uint8Array())).toBe("e3b0c44298fc1c14");
});
