import { expect, test } from "vitest";
import { windowMsOf } from "./window-length.ts";

test("a window lasts longer the more tallies it has, between 25 and 350 ms", () => {
  expect([0, 1, 100].map(windowMsOf)).toEqual([25, 25, 25]);
  expect([200, 600, 1_200].map(windowMsOf)).toEqual([50, 150, 300]);
  expect(windowMsOf(8_192)).toBe(350);
});
