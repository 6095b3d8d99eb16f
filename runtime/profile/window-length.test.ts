import { expect, test } from "vitest";
import { windowMsOf } from "./window-length.ts";

test("a window lasts longer the more tallies it has, between 25 and 250 ms", () => {
  expect([0, 1, 125].map(windowMsOf)).toEqual([25, 25, 25]);
  expect([200, 600, 1_200].map(windowMsOf)).toEqual([40, 120, 240].map((ms) => expect.closeTo(ms)));
  expect(windowMsOf(8_192)).toBe(250);
});
