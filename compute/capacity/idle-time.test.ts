import { expect, test } from "vitest";
import { idleUs, idleUsIn } from "./idle-time.ts";

test("idle time is that of the cores that a process may use", () => {
  const stat = `cpu  9 9 9 999 99 0 0 0 0 0
cpu0 1 2 3 100 20 0 0 0 0 0
cpu1 4 5 6 1000 7 0 0 0 0 0
cpu10 4 5 6 5 0 0 0 0 0 0
intr 80025822 0 0`;
  expect(idleUsIn(stat, [0])).toBe(1_200_000);
  expect(idleUsIn(stat, [0, 1, 2])).toBe(11_270_000);
  expect(idleUsIn(stat, [10])).toBe(50_000);
  expect(idleUsIn(stat, [2])).toBeNaN();
  expect(idleUs()).not.toBeLessThan(0);
});
