import * as fc from "fast-check";
import { expect, it } from "vitest";

import { membersOf } from "./json-members.ts";

/** Of arrays and objects in each other. */
const levelsOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(levelsOf)) : 0;

const names = fc.string({ unit: fc.constantFrom(...'[ ] { } " \\ u 0 , : é'.split(" "), " ") });
const objects = fc.dictionary(names, fc.oneof(fc.jsonValue(), names, fc.array(names)));

it("finds the members that a parser finds, whatever their names and strings hold", () => {
  fc.assert(
    fc.property(objects, fc.nat(3), (object, spaces) => {
      const text = JSON.stringify(object, null, spaces);
      const members = [...membersOf(text)];
      expect(members.map(({ name, json, levels }) => [name, JSON.parse(json), levels])).toEqual(
        Object.entries(JSON.parse(text) as object).map(([name, value]) => [name, value, levelsOf(value)]),
      );
    }),
  );
});

const isObject = (text: string): boolean => {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
};

/** What is thrown, if anything. */
const thrownAt = (text: string): unknown => {
  try {
    for (const _ of membersOf(text));
    return null;
  } catch (error) {
    return error;
  }
};

it("takes apart whatever a parser takes for an object, and throws a SyntaxError or nothing at the rest", () => {
  const nearly = fc.string({ unit: fc.constantFrom(...'{ } [ ] " : , \\ 1 "a": {} true'.split(" "), " ") });
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string()), (text) => {
      const thrown = thrownAt(text);
      expect(thrown === null || (thrown instanceof SyntaxError && !isObject(text))).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

it.each([
  "",
  " ",
  "{",
  '{"',
  '{"a',
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":1,',
  '{"a":1,}',
  "{} {}",
  '{"a":}',
  "[]",
  "{a:1}",
])("finds no end in %j", (text) => {
  expect(() => [...membersOf(text)]).toThrow(SyntaxError);
});
