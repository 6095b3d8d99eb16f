import { expect, test } from "vitest";
import { windowMsOf } from "./window-length.ts";

test("a window lasts longer the more tallies it has, between 25 and 166 ms", () => {
  expect([0, 1, 192].map(windowMsOf)).toEqual([25, 25, 25]);
  expect([200, 600, 1_200].map(windowMsOf)).toEqual([26, 78, 156].map((ms) => expect.closeTo(ms)));
  expect(windowMsOf(8_192)).toBe(166);
});
