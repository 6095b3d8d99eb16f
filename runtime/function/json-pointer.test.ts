import * as fc from "fast-check";
import { expect, test } from "vitest";
import { memberPointer, stepsOf } from "./json-pointer.ts";

test("a pointer leads back to the names that it was made of, whatever they are", () => {
  expect(memberPointer("/a", "b/c~d")).toBe("/a/b~1c~0d");
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom("~1", "~0", "~01", "/", ""))), (names) => {
      expect(stepsOf(names.reduce(memberPointer, ""))).toEqual(names);
    }),
  );
});
