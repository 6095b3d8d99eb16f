import * as fc from "fast-check";
import { Type } from "typebox";
import { describe, expect, it } from "vitest";

import { schemaMistakes } from "./schema.ts";

describe("schemaMistakes", () => {
  it.each([
    {},
    { type: "object", properties: { a: { type: ["integer", "null"], minimum: 1 }, b: true }, required: ["a"] },
    { $schema: "https://json-schema.org/draft/2020-12/schema", $defs: { a: { $anchor: "a" } }, $ref: "#/$defs/a" },
    { items: [{ type: "string" }], additionalItems: false, definitions: { type: { type: "null" } } },
    { prefixItems: [{}], items: { enum: ["objekt", 1] }, unevaluatedItems: false, contains: {}, minContains: 1 },
    JSON.parse('{"if":{"const":{"requird":1}},"then":{},"else":{"not":{}},"default":{"type":"int"},"examples":[]}'),
    {
      dependencies: { a: ["b"], c: { type: "number" } },
      dependentRequired: { a: ["b"] },
      patternProperties: { "^a": {} },
    },
    { title: "t", description: "d", deprecated: true, readOnly: false, $comment: "c", "x-mine": { type: "int" } },
    { type: "string", format: "no such format", pattern: "^\\p{L}+$", contentEncoding: "base64" },
  ])("finds none in %j", (schema) => {
    expect(schemaMistakes("input", schema)).toEqual([]);
  });

  it("finds none in what typebox writes", () => {
    const written = Type.Object({
      id: Type.Optional(Type.String({ format: "uuid", minLength: 1 })),
      pair: Type.Tuple([Type.Number(), Type.Integer({ exclusiveMinimum: 0, multipleOf: 2 })]),
      named: Type.Record(Type.String(), Type.Array(Type.Unknown(), { uniqueItems: true })),
      either: Type.Union([Type.Literal("a"), Type.Null(), Type.Undefined(), Type.BigInt()]),
      both: Type.Intersect([Type.Object({}), Type.Partial(Type.Object({ a: Type.Boolean() }))]),
      one: Type.Enum(["a", "b"]),
      never: Type.Never(),
      called: Type.Function([Type.String()], Type.Void()),
      tree: Type.Cyclic({ Node: Type.Object({ next: Type.Ref("Node") }) }, "Node"),
    });
    expect(schemaMistakes("input", JSON.parse(JSON.stringify(written)))).toEqual([]);
  });

  it("finds all of them, with their places", () => {
    const schema = {
      type: "objekt",
      properties: { a: { type: "int" }, "b/c~": { maximum: "9" }, d: 1 },
      requird: ["a"],
      required: [1],
      items: [{ type: [] }, { pattern: 1 }],
      anyOf: {},
      allOf: [null],
      additionalProperties: "no",
      patternProperties: { "[": 1 },
      dependencies: { a: [1] },
      minLength: -1,
      multipleOf: 0,
      nullable: true,
      exclusiveMinimum: true,
      uniqueItems: 1,
      dependentRequired: { a: "b" },
      toString: {},
    };
    const types = "must be one of array, boolean, integer, null, number, object, string, or an array of them";
    expect(schemaMistakes("input", schema)).toEqual([
      `input/type is "objekt", ${types}`,
      `input/properties/a/type is "int", ${types}`,
      'input/properties/b~1c~0/maximum is "9", must be a number',
      "input/properties/d is 1, must be a schema",
      "input/requird is no keyword of JSON Schema",
      "input/required is [1], must be an array of texts",
      `input/items/0/type is [], ${types}`,
      "input/items/1/pattern is 1, must be text",
      "input/anyOf is {}, must be an array of schemas",
      "input/allOf/0 is null, must be a schema",
      'input/additionalProperties is "no", must be a schema',
      "input/patternProperties/[ is 1, must be a schema",
      "input/dependencies/a is [1], must be a schema",
      "input/minLength is -1, must be a whole number from 0",
      "input/multipleOf is 0, must be a number above 0",
      "input/nullable is no keyword of JSON Schema",
      "input/exclusiveMinimum is true, must be a number",
      "input/uniqueItems is 1, must be true or false",
      'input/dependentRequired is {"a":"b"}, must be an object of arrays of texts',
      "input/toString is no keyword of JSON Schema",
    ]);
  });

  it.each(["properties", "$defs", "definitions", "dependentSchemas", "patternProperties"])(
    "refuses %s that are no object",
    (keyword) => {
      expect(schemaMistakes("output", { [keyword]: ["a"] })).toEqual([
        `output/${keyword} is ["a"], must be an object of schemas`,
      ]);
    },
  );

  it.each([
    { $ref: "#", $defs: { a: true } },
    { $ref: "" },
    { $defs: { "a b/~": {} }, items: { $ref: "#/$defs/a%20b~1~0" } },
    { items: [{ $ref: "#/items/1" }, {}], "x-own": { a: {} }, not: { $ref: "#/x-own/a" } },
    { $defs: { a: { $anchor: "here" } }, $ref: "#here" },
    { $id: "https://example.com/a", items: { $ref: "https://example.com/a" } },
    { $id: "https://example.com/x/a#", items: { $ref: "/x/a#/$defs/b" }, $defs: { b: { $ref: "a" } } },
    { $id: "own", $defs: { b: { $ref: "own" } }, items: { $ref: "own#/$defs/b" } },
    { $id: "urn:example:a", items: { $ref: "urn:example:a#" } },
    { $defs: { a: { $id: "a", $defs: { b: {} }, $ref: "#/$defs/b" } }, items: { $ref: "a" } },
  ])("finds where references lead in %j", (schema) => {
    expect(schemaMistakes("input", schema)).toEqual([]);
  });

  it.each(["#/$defs/b", "#/$defs/a/0", "#/$defs/__proto__", "#/%", "#there", "node", "https://example.com/a"])(
    "finds that %s leads nowhere",
    ($ref) => {
      expect(schemaMistakes("input", { $defs: { a: { $anchor: "here" } }, items: { $ref } })).toEqual([
        `input/items/$ref is ${JSON.stringify($ref)}, leads nowhere: a schema refers to its own parts only`,
      ]);
    },
  );

  it.each([
    ["https://example.com/x/a", "https://elsewhere.org/x/a"],
    ["https://example.com/x/a", "https://elsewhere.org/gone#/$defs/b"],
    ["https://example.com/x/a", "/a"],
    ["https://example.com/x/a", "b#"],
    ["https://example.com/x/a", "#/$defs/c"],
    ["https://example.com/x/a", "a#/$defs/c"],
    ["own", "other"],
    ["own", "./own"],
    ["urn:example:a", "urn:example:b"],
    ["http://[", "https://example.com/x/a"],
    [undefined, "other.json#/$defs/b"],
  ])("finds that in a schema with the $id %s the reference %s leads nowhere", ($id, $ref) => {
    const id = $id === undefined ? {} : { $id };
    expect(schemaMistakes("input", { ...id, $defs: { b: {} }, items: { $ref } })).toEqual([
      `input/items/$ref is ${JSON.stringify($ref)}, leads nowhere: a schema refers to its own parts only`,
    ]);
  });

  it("says how many it does not tell one by one", () => {
    const many = Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`no${index}`, 1]));
    const mistakes = schemaMistakes("input", many);
    expect(mistakes).toHaveLength(21);
    expect(mistakes.at(-1)).toBe("5 more in input");
  });

  it("keeps each mistake short, whatever the schema is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, name) => {
        for (const one of schemaMistakes("input", {
          type: value,
          [name]: value,
          properties: { [name]: { [name]: value } },
        })) {
          expect(one.length).toBeLessThan(300);
        }
      }),
    );
    const [long = ""] = schemaMistakes("input", { ["x".repeat(10_000)]: 1 });
    expect(long.length).toBeLessThan(300);
  });
});
