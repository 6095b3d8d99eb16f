import { expect, test } from "vitest";
import { windowMsOf } from "./window-length.ts";

test("a window lasts longer the more tallies it has, between 25 and 125 ms", () => {
  expect([0, 1, 250].map(windowMsOf)).toEqual([25, 25, 25]);
  expect([300, 600, 1_200].map(windowMsOf)).toEqual([30, 60, 120].map((ms) => expect.closeTo(ms)));
  expect(windowMsOf(8_192)).toBe(125);
});
