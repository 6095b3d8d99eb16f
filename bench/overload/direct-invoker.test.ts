import { expect, test } from "vitest";
import { withSides } from "./direct-invoker.ts";

const STARTED_MS = 1_000;

/** A call each ms, which takes 10; the third fails. */
const calls = {
  endMs: Float64Array.from({ length: 10 }, (_, call) => call + 10),
  elapsedUs: Float64Array.from({ length: 10 }, () => 10_000),
  part: new Uint8Array(10),
  number: Uint32Array.from({ length: 10 }, (_, call) => call),
  atStorage: new Uint8Array(10),
  isProbe: new Uint8Array(10),
  ok: Uint8Array.from({ length: 10 }, (_, call) => (call === 2 ? 0 : 1)),
  firstErrors: {},
};

const sidesBy = (...looks: readonly (readonly [ms: number, handed: number])[]): string =>
  withSides(
    calls,
    looks.map(([ms, handed]) => ({ atMs: STARTED_MS + ms, calls: handed })),
    STARTED_MS,
  ).atStorage.join("");

test("of the calls that began between two looks as many are at compute as were handed over, the last ones", () => {
  expect(sidesBy([0, 40], [5, 40], [10, 40])).toBe("1111111111");
  expect(sidesBy([0, 40], [5, 42], [10, 43])).toBe("1110011110");
  expect(sidesBy([0, 40], [8, 43], [10, 43])).toBe("1111100011");
});

test("what is handed over and was not seen to begin until then begins next", () => {
  expect(sidesBy([0, 40], [2, 44], [10, 44])).toBe("0011111100");
});
