import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isLaterPlan, nextReign, planVersion } from "./plan.ts";

const version = fc.maxSafeNat().filter((one) => one > 0);

test("of two plans one is the later one, or they are the same", () => {
  fc.assert(
    fc.property(version, version, (one, other) => {
      expect(Number(isLaterPlan(one, other)) + Number(isLaterPlan(other, one))).toBe(one === other ? 0 : 1);
    }),
  );
});

test("any plan is later than none, and none is later than no plan", () => {
  fc.assert(
    fc.property(version, (one) => {
      expect([isLaterPlan(one, 0), isLaterPlan(0, one), isLaterPlan(0, 0)]).toEqual([true, false, false]);
    }),
  );
});

test("whatever is followed, the plans of the next reign are later, to the last one", () => {
  fc.assert(
    fc.property(fc.oneof(version, fc.constant(Number.MAX_SAFE_INTEGER), fc.constant(0)), (followed) => {
      for (const count of [0, 2 ** 24 - 1]) {
        const next = planVersion(nextReign(followed), count);
        expect(Number.isSafeInteger(next)).toBe(true);
        expect(isLaterPlan(next, followed)).toBe(true);
      }
    }),
  );
});
