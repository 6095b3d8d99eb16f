import * as fc from "fast-check";
import { expect, test } from "vitest";
import { PushBackBudget } from "./push-back.ts";
import { BACK_UNKNOWN_US } from "./push-back.ts";

/** Calls that come one after the other, each dearer than what is pushed back: how many are pushed back of so many. */
const pushedBackOf = (calls: number, backCpuUs: number, cpuUs: number): number => {
  const budget = new PushBackBudget();
  let pushedBack = 0;
  for (let call = 0; call < calls; call++) {
    if (!budget.isSpent) {
      budget.pushedBack(backCpuUs);
      pushedBack += 1;
    }
    budget.ended(cpuUs);
  }
  return pushedBack;
};

test("the first calls of a function of which nothing is known may be pushed back, and then a few", () => {
  expect(pushedBackOf(10, BACK_UNKNOWN_US, BACK_UNKNOWN_US)).toBe(10);
  const of10k = pushedBackOf(10_000, BACK_UNKNOWN_US, BACK_UNKNOWN_US);
  expect(of10k).toBeGreaterThan(500);
  expect(of10k).toBeLessThan(520);
});

test("all calls may be pushed back where that wastes little of what they compute", () => {
  expect(pushedBackOf(10_000, 10_000, 200_001)).toBe(10_000);
});

test("what waits for its turn long does not gather", () => {
  const budget = new PushBackBudget();
  budget.ended(1e9);
  for (let call = 0; call < 10; call++) {
    expect(budget.isSpent).toBe(false);
    budget.pushedBack(BACK_UNKNOWN_US);
  }
  expect(budget.isSpent).toBe(true);
});

test("a host that says that it has computed for years is believed a minute, and one that says less than nothing nothing", () => {
  const budget = new PushBackBudget();
  budget.pushedBack(1e15);
  budget.ended(-1e15);
  // A twentieth of it pays.
  budget.ended(60e6 / 0.05);
  expect(budget.isSpent).toBe(true);
  budget.ended(1);
  expect(budget.isSpent).toBe(false);
  budget.pushedBack(-1e15);
  budget.pushedBack(1);
  expect(budget.isSpent).toBe(true);
});

test("whatever comes, no more is wasted than a twentieth of what is computed, a burst, and what was under way when it was spent", () => {
  const us = fc.integer({ min: 1, max: 1_000_000 });
  const call = fc.record({ backCpuUs: us, cpuUs: us, isDear: fc.boolean(), together: fc.integer({ min: 1, max: 8 }) });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 300 }), (calls) => {
      const budget = new PushBackBudget();
      let [wastedUs, computedUs, underWayUs] = [0, 0, 0];
      for (const { backCpuUs, cpuUs, isDear, together } of calls) {
        // They are all admitted before any of them ends.
        const mayGo = isDear && !budget.isSpent;
        for (let one = 0; one < together; one++) {
          if (mayGo) {
            budget.pushedBack(backCpuUs);
            wastedUs += backCpuUs;
          }
          budget.ended(cpuUs);
          computedUs += cpuUs;
        }
        if (mayGo) underWayUs = Math.max(underWayUs, together * backCpuUs);
      }
      expect(wastedUs).toBeLessThanOrEqual(0.05 * computedUs + 10 * BACK_UNKNOWN_US + underWayUs + 1e-3);
    }),
  );
});
