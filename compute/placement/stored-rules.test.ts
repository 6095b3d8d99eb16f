import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";
import { fieldsChange, rulesIn, NO_RULES, type StoredRules } from "./stored-rules.ts";

const change = fc.record(
  {
    pinnedShare: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    weight: fc.double({ min: 0.001, max: 1_000, noNaN: true }),
    p99UnderUs: fc.option(fc.integer({ min: 1, max: 1e9 })),
  },
  { requiredKeys: [] },
);

test("what is said one after another comes to what was said last of each thing", () => {
  fc.assert(
    fc.property(fc.array(fc.option(change), { maxLength: 8 }), (said) => {
      const fields: Record<string, string> = {};
      let expected: StoredRules = NO_RULES;
      for (const one of said) {
        const { set, removed } = fieldsChange("walk", one);
        for (const field of removed) delete fields[field];
        Object.assign(fields, Object.fromEntries(set));
        expected = one === null ? NO_RULES : { ...expected, ...one };
      }
      // -0 is written as 0.
      const read = rulesIn(fields).get("walk") ?? NO_RULES;
      expect({ ...read, pinnedShare: read.pinnedShare === null ? null : read.pinnedShare + 0 }).toEqual({
        ...expected,
        pinnedShare: expected.pinnedShare === null ? null : expected.pinnedShare + 0,
      });
    }),
  );
});

test.each([
  ["walk:weight", "0"],
  ["walk:weight", "null"],
  ["walk:weight", "nonsense"],
  ["walk:pinnedShare", "1.5"],
  ["walk:p99UnderUs", "[]"],
  ["walk:preferred", "1"],
  ["walk:__proto__", "1"],
  ["walk:weight:weight", "2"],
  ["No Name:weight", "2"],
  ["walk", "2"],
])("the field %s with %s says nothing", (field, text) => {
  expect([...rulesIn({ [field]: text, "hash:weight": "2" })]).toEqual([["hash", { ...NO_RULES, weight: 2 }]]);
});

test("rules of more functions than there can be are not kept", () => {
  const fields = Array.from({ length: TALLIED_FUNCTIONS_MAX + 3 }, (_, at) => [`f${at}:weight`, "2"]);
  expect(rulesIn(Object.fromEntries(fields)).size).toBe(TALLIED_FUNCTIONS_MAX);
});
