import { expect, test } from "vitest";
import { CorePace } from "./core-pace.ts";

const PERIOD_MS = 100;

/** Of samples that are a tenth of a second apart, the last one now. */
const paceOf = (samplesUs: readonly number[]): { readonly slowdown: (lastMs: number) => number } => {
  const pace = new CorePace();
  for (const [index, us] of samplesUs.entries()) pace.add(us, index * PERIOD_MS);
  return { slowdown: (lastMs) => pace.slowdown(lastMs, (samplesUs.length - 1) * PERIOD_MS) };
};
const many = (count: number, us: number): readonly number[] => Array<number>(count).fill(us);

test("a core is as slow as its samples of late, against its quickest", () => {
  const pace = paceOf([...many(50, 32), ...many(20, 48)]);
  expect(pace.slowdown(1_000)).toBe(1.5);
  expect(pace.slowdown(7_000)).toBe(1);
});

test("single samples that took longer say nothing", () => {
  expect(paceOf([...many(50, 32), 90, 32, 32, 400, 32]).slowdown(500)).toBe(1);
});

test("one sample that was shorter than the core ever is says nothing", () => {
  expect(paceOf([...many(99, 32), 3, ...many(100, 32)]).slowdown(500)).toBe(1);
});

test("a core that was quick for a short part of the time is known by it", () => {
  expect(paceOf([...many(190, 48), ...many(10, 32)]).slowdown(500)).toBe(1);
  expect(paceOf([...many(10, 32), ...many(190, 48)]).slowdown(500)).toBe(1.5);
});

test("what was never quick is not slowed, as far as anybody knows, and nor is what was not looked at", () => {
  expect(paceOf(many(100, 48)).slowdown(500)).toBe(1);
  expect(paceOf([]).slowdown(500)).toBe(1);
});

test("of a stretch that is longer than samples are kept its end counts", () => {
  expect(paceOf([...many(1_000, 32), ...many(300, 48)]).slowdown(1e6)).toBe(1.5);
});
