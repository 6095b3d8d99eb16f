import { expect, test } from "vitest";

import { bestInHindsight, TRIED_SECONDS } from "./hindsight.ts";

/** What was tried, in order, where `gainOf` says how good each is. */
const triedFor = (gainOf: (seconds: number) => number) => {
  const tried: number[] = [];
  const best = bestInHindsight((seconds) => {
    tried.push(seconds);
    return seconds;
  }, gainOf);
  return { tried, best };
};

test.each([0.003, 0.05, 0.3, 1.4, 3, 7, 33, 90, 449, 2_000, 5_000])(
  "a summit at %d s is found within a few percent or a few milliseconds",
  (summit) => {
    const { best } = triedFor((seconds) => -Math.abs(Math.log((seconds + 0.001) / (summit + 0.001))));
    expect(Math.abs(best - summit)).toBeLessThan(Math.max(0.04 * summit, 0.004));
  },
);

test.each([0, 3_600, Infinity])("a summit at %d s, which is tried first, is found exactly", (summit) => {
  const { best } = triedFor((seconds) => (seconds === summit ? 1 : 0));
  expect(best).toBe(summit);
});

test("a summit behind a cliff is found: what is less is worth nothing", () => {
  const { best } = triedFor((seconds) => (seconds < 6 ? 0 : 1 / seconds));
  expect(best).toBeGreaterThanOrEqual(6);
  expect(best).toBeLessThan(6.2);
});

test("so many are tried at most, none twice, whole milliseconds, and the same each time", () => {
  for (const summit of [0, 0.0004, 0.2, 50, 1e9, Infinity]) {
    const gainOf = (seconds: number): number => -Math.abs(Math.atan(seconds) - Math.atan(summit));
    const { tried } = triedFor(gainOf);
    expect(tried.slice(0, TRIED_SECONDS.length)).toEqual(TRIED_SECONDS);
    expect(tried.length).toBeLessThanOrEqual(TRIED_SECONDS.length + 12);
    expect(new Set(tried).size).toBe(tried.length);
    const ms = tried.filter((seconds) => seconds < Infinity).map((seconds) => seconds * 1e3);
    for (const one of ms) expect(Math.abs(one - Math.round(one))).toBeLessThan(1e-6);
    expect(triedFor(gainOf).tried).toEqual(tried);
  }
});
