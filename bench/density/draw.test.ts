import { expect, it } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { drawOf, type Order } from "./draw.ts";

const DRAWS = 100_000;

function countsOf(order: Order, functions: number): readonly number[] {
  const counts = Array.from({ length: functions }, () => 0);
  const draw = drawOf(order, functions, seededRandom(1));
  for (let count = 0; count < DRAWS; count++) counts[draw()!]! += 1;
  return counts;
}

it("draws each function as often as any other", () => {
  for (const count of countsOf("uniform", 10)) expect(count / DRAWS).toBeCloseTo(0.1, 2);
});

it("draws by Zipf's law, from the first to the last function", () => {
  const counts = countsOf("zipf", 10);
  const harmonic = counts.reduce((sum, _, number) => sum + 1 / (number + 1), 0);
  for (const [number, count] of counts.entries()) {
    expect(count / DRAWS).toBeCloseTo(1 / (number + 1) / harmonic, 2);
  }
});

it("gives each function once, in order, and then none", () => {
  const draw = drawOf("once", 3, seededRandom(1));
  expect([draw(), draw(), draw(), draw(), draw()]).toEqual([0, 1, 2, null, null]);
});
