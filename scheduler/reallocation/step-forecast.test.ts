import { array, assert, double, property } from "fast-check";
import { expect, test } from "vitest";
import { StepForecast } from "./step-forecast.ts";

const after = (values: Iterable<number>): StepForecast => {
  const forecast = new StepForecast();
  for (const value of values) forecast.add(value);
  return forecast;
};
const times = (count: number, value: number): number[] => Array.from({ length: count }, () => value);

test("there is none before ten values", () => {
  expect(after(times(9, 1)).upper).toBeNull();
  expect(after(times(10, 1)).upper).toBe(1);
});

test("of what is always the same it is that, without error or head-room", () => {
  const forecast = after(times(100, 0.3));
  expect(forecast.upper).toBeCloseTo(0.3, 12);
  expect(forecast.error).toBeCloseTo(0, 12);
});

test("of what goes up and down it covers what goes up", () => {
  const values = Array.from({ length: 100 }, (_, index) => (index % 5 === 0 ? 1 : 0.2));
  expect(after(values).upper).toBeGreaterThanOrEqual(1 - 1e-6);
});

test("it follows what has become less, and its head-room with it, when errors of before are forgotten", () => {
  expect(after([...times(50, 1), ...times(41, 0.1)]).upper).toBeLessThan(0.11);
});

test("its error is that of forecasts made before, as a share of the values", () => {
  // The level is 1 until the last value: one error of 1, of values that come to 12.
  expect(after([...times(10, 1), 2]).error).toBeCloseTo(1 / 12, 12);
  expect(after([]).error).toBeNull();
});

test("it is never below the level, and never above the greatest value by more than the greatest step", () => {
  assert(
    property(array(double({ min: 0, max: 100, noNaN: true }), { minLength: 10, maxLength: 120 }), (values) => {
      const { upper } = after(values);
      const [least, most] = [Math.min(...values), Math.max(...values)];
      expect(upper).toBeGreaterThanOrEqual(least - 1e-9);
      expect(upper).toBeLessThanOrEqual(2 * most - least + 1e-9);
    }),
  );
});
