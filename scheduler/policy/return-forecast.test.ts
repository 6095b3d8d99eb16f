import { expect, test } from "vitest";

import { seededRandom } from "#runtime/seeded-random.ts";
import { ReturnForecast } from "./return-forecast.ts";

const START_MS = 100;
const after = (timesMs: readonly number[]): ReturnForecast => {
  const forecast = new ReturnForecast();
  for (const atMs of timesMs) forecast.returned(atMs, START_MS, 0.5, 10);
  return forecast;
};

test("one period is found, and the window is about as wide as it varies", () => {
  const { expectedMs, readyMs, untilMs, relativeError } = after(
    Array.from({ length: 40 }, (_, at) => at * 30_000 + ((at * 3) % 7)),
  );
  expect(Math.abs(expectedMs - 40 * 30_000)).toBeLessThan(10);
  expect(readyMs).toBeLessThan(expectedMs);
  expect(untilMs - readyMs).toBeLessThan(200);
  expect(relativeError).toBeLessThan(0.001);
});

test("a pattern of several pauses is found", () => {
  const times = [0];
  for (let at = 0; at < 40; at++) times.push(times.at(-1)! + [10_000, 60_000, 25_000][at % 3]!);
  const { expectedMs } = after(times);
  expect(expectedMs - times.at(-1)!).toBe([10_000, 60_000, 25_000][40 % 3]);
});

test("a single call out of turn does not move the next that is due", () => {
  const times = Array.from({ length: 40 }, (_, at) => at * 30_000);
  expect(after([...times, 39 * 30_000 + 9_000]).expectedMs).toBe(40 * 30_000);
});

test("where nothing is regular, what forecasts came to is worse than starting when a call comes", () => {
  const random = seededRandom(1);
  const times = [0];
  for (let at = 0; at < 200; at++) times.push(times.at(-1)! - Math.log(1 - random()) * 60_000);
  const forecast = after(times);
  const followed = 0.5 * forecast.heldSeconds + 10 * forecast.waitedSeconds;
  expect(forecast.isJudged && followed < (0.5 + 10) * (START_MS / 1e3)).toBe(false);
});

test("what it knows outlives a restart", () => {
  const before = after(Array.from({ length: 40 }, (_, at) => at * 30_000));
  const forecast = new ReturnForecast(before.save());
  expect(forecast.isJudged).toBe(true);
  forecast.returned(5_000_000, START_MS, 0.5, 10);
  forecast.returned(5_030_000, START_MS, 0.5, 10);
  expect(forecast.expectedMs).toBe(5_060_000);
});
