import { expect, test } from "vitest";
import { accountOf } from "./account.ts";

/** Calls of part 1 by their numbers, among others with the same numbers. */
const callsOf = (numbers: readonly number[], failed: readonly number[] = []) => ({
  part: Uint8Array.from([0, 0, ...numbers.map(() => 1)]),
  number: Uint32Array.from([0, 1, ...numbers]),
  ok: Uint8Array.from([1, 1, ...numbers.map((number) => (failed.includes(number) ? 0 : 1))]),
});

test("a call that was lost does not make up for one that was doubled", () => {
  const counts = new Map([
    [0, 1],
    [2, 2],
  ]);
  expect(accountOf(callsOf([1, 0, 2]), 1, counts)).toEqual({ lost: 1, doubled: 1 });
});

test("each once, in whatever order, is neither", () => {
  const counts = new Map([
    [1, 1],
    [0, 1],
  ]);
  expect(accountOf(callsOf([0, 1]), 1, counts)).toEqual({ lost: 0, doubled: 0 });
});

test("one that failed may have been done or not, but not twice", () => {
  const failed = callsOf([0, 1], [0, 1]);
  expect(accountOf(failed, 1, new Map([[0, 1]]))).toEqual({ lost: 0, doubled: 0 });
  expect(accountOf(failed, 1, new Map([[0, 2]]))).toEqual({ lost: 0, doubled: 1 });
});
