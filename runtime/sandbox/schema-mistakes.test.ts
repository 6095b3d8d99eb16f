import { Compile } from "typebox/schema";
import { expect, test } from "vitest";

import { mistakesText } from "./schema-mistakes.guest.ts";

const closed = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false };

test.each([
  [{ type: "string" }, 1, "args must be a string"],
  [{ type: ["integer", "null"] }, "x", "args must be an integer or null"],
  [closed, {}, "args must have a"],
  [closed, { a: "x", b: 1 }, "args.b is not allowed"],
  [closed, { a: "x", b: 1, c: 1, d: 1, e: 1 }, "args.b is not allowed; args.c is not allowed; args.d is not allowed"],
  [{ ...closed, additionalProperties: { type: "null" } }, { a: "x", b: 1 }, "args.b must be null"],
  [{ properties: { a: false } }, { a: 1 }, "args.a is not allowed"],
  [{ enum: [1, "b"] }, 2, 'args must be one of 1, "b"'],
  [{ const: { a: 1 } }, 2, 'args must be {"a":1}'],
  [{ const: "x".repeat(300) }, 2, `args must be "${"x".repeat(199)}…`],
  [{ items: { properties: { "a b": { minimum: 3 } } } }, [{}, { "a b": 1 }], 'args[1]["a b"] must be >= 3'],
  [{ properties: { "a/b~c": { type: "null" } } }, { "a/b~c": 1 }, 'args["a/b~c"] must be null'],
  [{ prefixItems: [{}], items: false }, [1, 2], "args[1] is not allowed"],
  [{ not: {} }, 1, "args fits what its schema forbids"],
  [
    { anyOf: [{ type: "string" }, { type: "null" }] },
    1,
    "args must be a string; args must be null; args fits none of the schemas of anyOf",
  ],
  [{ dependentRequired: { a: ["b"] } }, { a: 1 }, "args must have properties b when property a is present"],
  [{ properties: { a: {} }, unevaluatedProperties: false }, { b: 1 }, "args must not have b"],
])("of %j, %j is told: %s", (schema, value, text) => {
  const [, findings] = Compile(schema).Errors(value);
  expect(mistakesText("args", findings)).toBe(text);
});

test("the whole result is called so", () => {
  const [, findings] = Compile({ type: "string" }).Errors(1);
  expect(mistakesText("result", findings)).toBe("the result must be a string");
});
