import { expect, test } from "vitest";
import { attainable, endsBetween, isNearBest, rateBetween, secondsToAdapt, secondsToPlace } from "./adaptation.ts";

/** Ends of calls at these rates, each for a second. */
const endsAt = (...perSecond: readonly number[]): number[] =>
  perSecond.flatMap((rate, second) => Array.from({ length: rate }, (_, call) => 1e3 * second + (1e3 * call) / rate));

test("it takes until the rate is that of the best fixed shares, nearly", () => {
  expect(secondsToAdapt(endsAt(1_000, 500, 1_000), 1_000, 3_000, 1_000)).toBeCloseTo(1, 1);
  expect(secondsToAdapt(endsAt(1_000, 900), 1_000, 2_000, 1_000)).toBe(0);
});

test("one lucky stretch is not enough", () => {
  const lucky = [
    ...endsAt(1_000, 500, 0),
    ...endsAt(1_000)
      .slice(0, 150)
      .map((ms) => 1_300 + ms),
  ].toSorted((a, b) => a - b);
  expect(secondsToAdapt(lucky, 1_000, 2_000, 1_000)).toBe(1);
});

test("where it never comes to that it takes all the time there is", () => {
  expect(secondsToAdapt(endsAt(1_000, 700, 700), 1_000, 3_000, 1_000)).toBe(2);
});

test("slow calls are counted over a longer time", () => {
  expect(secondsToAdapt(endsAt(20, 20, 20, 20, 20), 1_000, 5_000, 20)).toBe(0);
});

test("a stage can come to what the best fixed shares did, or to less where it was slower in the end, not by much", () => {
  expect(attainable(1_000, 1_200, true)).toBe(1_000);
  expect(attainable(1_000, 800, true)).toBe(800);
  expect(attainable(1_000, 500, true)).toBe(750);
  expect(attainable(1_000, 800, isNearBest(1, 0.5))).toBe(1_000);
  expect(attainable(1_000, 800, isNearBest(0.6, 0.5))).toBe(800);
});

test("calls are placed when they go where they go in the end", () => {
  /** A call each ms. */
  const going = (...shares: readonly number[]) =>
    shares.flatMap((share, second) =>
      Array.from({ length: 1_000 }, (_, ms) => ({ atMs: 1e3 * second + ms, atStorage: ms % 10 < 10 * share ? 1 : 0 })),
    );
  expect(secondsToPlace(going(1, 0.5, 0.5), 0, 3_000, 0.6)).toBeCloseTo(0.97, 1);
  expect(secondsToPlace(going(0.5, 0.6, 0.5), 0, 3_000, 0.6)).toBe(0);
  expect(secondsToPlace(going(1, 1, 1), 0, 3_000, 0.5), "never where the best have them").toBe(3);
  expect(secondsToPlace([], 0, 1_000, 0.5)).toBe(1);
});

test("ends are counted from … until", () => {
  expect(endsBetween([1, 2, 2, 3, 5], 2, 3)).toBe(2);
  expect(endsBetween([1, 2, 2, 3, 5], 4, 9)).toBe(1);
  expect(endsBetween([], 0, 1)).toBe(0);
  expect(rateBetween([1, 2, 2, 3, 5], 1, 5)).toBe(1_000);
});
