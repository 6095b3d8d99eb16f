import * as fc from "fast-check";
import { expect, test } from "vitest";
import { lessEq, solve as solveByYalps } from "yalps";
import { solve, type Programme } from "./linear-programme.ts";

const TOLERANCE = 1e-6;

const weight = fc.double({ min: -2, max: 2, noNaN: true }).map((value) => Math.round(value * 64) / 64);

const programmes = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 5 }))
  .chain(([variables, rows]) => {
    const vector = (of: fc.Arbitrary<number>) =>
      fc.array(of, { minLength: variables, maxLength: variables }).map((values) => Float64Array.from(values));
    return fc.record({
      costs: vector(weight),
      lower: vector(fc.constantFrom(0, 0, 0, 0.25)),
      upper: vector(fc.constantFrom(0.25, 1, 1, 1)),
      rows: fc.array(fc.record({ weights: vector(weight), bound: weight }), {
        minLength: rows,
        maxLength: rows,
      }),
    });
  });

/** The same in two general programmes, by a library that solves any. */
function byYalps({ costs, lower, upper, rows }: Programme): { relief: number; cost: number } {
  const names = [...costs.keys()].map((column) => `x${column}`);
  const constraints = Object.fromEntries([
    ...names.map((name, column) => [`bounds of ${name}`, { min: lower[column]!, max: upper[column]! }] as const),
    ...rows.map(({ bound }, row) => [`row ${row}`, lessEq(bound)] as const),
  ]);
  const variable = (name: string, column: number, cost: number): [string, Record<string, number>] => [
    name,
    {
      cost,
      [`bounds of ${name}`]: 1,
      ...Object.fromEntries(rows.map(({ weights }, row) => [`row ${row}`, weights[column]!])),
    },
  ];
  const relief = (cost: number): [string, Record<string, number>] => [
    "relief",
    { cost, held: 1, ...Object.fromEntries(rows.map((_, row) => [`row ${row}`, -1])) },
  ];
  const model = (variables: [string, Record<string, number>][], held: number) =>
    solveByYalps({
      direction: "minimize",
      objective: "cost",
      constraints: { ...constraints, held: lessEq(held) },
      variables: Object.fromEntries(variables),
    });
  const least = model([...names.map((name, column) => variable(name, column, 0)), relief(1)], 1e6);
  const held = Math.max(0, least.result);
  const cheapest = model(
    [...names.map((name, column) => variable(name, column, costs[column]!)), relief(0)],
    held + TOLERANCE / 100,
  );
  return { relief: held, cost: cheapest.result };
}

const costOf = ({ costs }: Programme, x: Float64Array): number =>
  x.reduce((sum, value, at) => sum + value * costs[at]!, 0);

test("the solution keeps all bounds and rows, and is as good as that of a general solver", () => {
  fc.assert(
    fc.property(programmes, (programme) => {
      const { x, relief } = solve(programme);
      for (const [at, value] of x.entries()) {
        expect(value).toBeGreaterThanOrEqual(programme.lower[at]! - TOLERANCE);
        expect(value).toBeLessThanOrEqual(programme.upper[at]! + TOLERANCE);
      }
      for (const { weights, bound } of programme.rows) {
        const left = x.reduce((sum, value, at) => sum + value * weights[at]!, 0);
        expect(left).toBeLessThanOrEqual(bound + relief + TOLERANCE);
      }
      const expected = byYalps(programme);
      expect(relief).toBeCloseTo(expected.relief, 5);
      expect(costOf(programme, x)).toBeCloseTo(expected.cost, 4);
    }),
    { numRuns: 1_000 },
  );
});

test("where it starts changes the way and not the result", () => {
  fc.assert(
    fc.property(programmes, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (programme, numbers) => {
      const start = Float64Array.from(programme.costs, () => numbers.next().value);
      const [one, other] = [solve(programme), solve(programme, start)];
      expect(other.relief).toBeCloseTo(one.relief, 6);
      expect(costOf(programme, other.x)).toBeCloseTo(costOf(programme, one.x), 6);
    }),
  );
});

test("at most as many variables are between their bounds as there are rows", () => {
  fc.assert(
    fc.property(programmes, (programme) => {
      const between = solve(programme).x.filter(
        (value, at) => value > programme.lower[at]! + TOLERANCE && value < programme.upper[at]! - TOLERANCE,
      );
      expect(between.length).toBeLessThanOrEqual(programme.rows.length);
    }),
  );
});
