// What is wrong with a schema, when a function is deployed. The validator takes what it does not know as saying nothing, as
// JSON Schema has it, so that a typo would switch a check off without a word. What it would refuse to compile, it says itself
// (`schema-faults.guest.ts`). Used by `describe.ts` only.

import { memberPointer } from "./json-pointer.ts";
import { lostReferences } from "./schema-references.ts";

/** Mistakes of one schema that are told one by one. */
const MISTAKES_SHOWN_MAX = 20;
/** Characters of a value, or of a place, in a message. */
const SHOWN_LENGTH_MAX = 80;

const JSON_TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"];
/** Typebox' own. No JSON has them, but they may stand in a union. */
const TYPEBOX_TYPES = ["bigint", "constructor", "function", "symbol", "undefined", "void"];
const TYPES: ReadonlySet<unknown> = new Set([...JSON_TYPES, ...TYPEBOX_TYPES]);

/** A part of a schema and where it is. */
export interface Part {
  readonly value: unknown;
  /** A JSON pointer. */
  readonly pointer: string;
}
/** One that is a schema, and an object. */
export interface SchemaPart extends Part {
  readonly value: Readonly<Record<string, unknown>>;
}
/** What a keyword's value must be: "" or the clause that says so. Schemas in it are left in `within`. */
type Rule = (part: Part, within: Part[]) => string;

const anything: Rule = () => "";
const one =
  (must: string, fits: (value: unknown) => boolean): Rule =>
  ({ value }) =>
    fits(value) ? "" : must;

const isText = (value: unknown): value is string => typeof value === "string";
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const text = one("must be text", isText);
const texts = one("must be an array of texts", isTexts);
const number = one("must be a number", (value) => typeof value === "number");
const step = one("must be a number above 0", (value) => typeof value === "number" && value > 0);
const count = one("must be a whole number from 0", (value) => Number.isInteger(value) && Number(value) >= 0);
const flag = one("must be true or false", (value) => typeof value === "boolean");
const values = one("must be an array", Array.isArray);
const object = one("must be an object", isObject);

const schema: Rule = (part, within) => {
  within.push(part);
  return "";
};
const schemas: Rule = ({ value, pointer }, within) => {
  if (!Array.isArray(value)) return "must be an array of schemas";
  within.push(...value.map((item: unknown, index) => ({ value: item, pointer: `${pointer}/${index}` })));
  return "";
};
const schemaOrSchemas: Rule = (part, within) => (Array.isArray(part.value) ? schemas : schema)(part, within);
const schemasByName: Rule = ({ value, pointer }, within) => {
  if (!isObject(value)) return "must be an object of schemas";
  for (const [name, item] of Object.entries(value)) within.push({ value: item, pointer: memberPointer(pointer, name) });
  return "";
};
const dependencies: Rule = ({ value, pointer }, within) => {
  if (!isObject(value)) return "must be an object of schemas, or of arrays of texts";
  for (const [name, item] of Object.entries(value)) {
    if (!isTexts(item)) within.push({ value: item, pointer: memberPointer(pointer, name) });
  }
  return "";
};

/** Of JSON Schema's drafts 7 to 2020-12, and what typebox writes besides. */
const KEYWORDS: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["type", one(`must be one of ${JSON_TYPES.join(", ")}, or an array of them`, (value) => isType(value))],
  ["enum", values],
  ["const", anything],
  ...each(text, "format", "pattern"),
  ["required", texts],
  ["uniqueItems", flag],
  ["multipleOf", step],
  ...each(number, "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
  ...each(count, "minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains"),
  ...each(count, "minProperties", "maxProperties"),
  ...each(schema, "not", "if", "then", "else", "contains", "propertyNames", "additionalProperties", "additionalItems"),
  ...each(schema, "unevaluatedProperties", "unevaluatedItems", "contentSchema", "returnType", "instanceType"),
  ...each(schemas, "allOf", "anyOf", "oneOf", "prefixItems", "parameters"),
  ...each(schemasByName, "properties", "patternProperties", "dependentSchemas", "$defs", "definitions"),
  ["items", schemaOrSchemas],
  ["dependencies", dependencies],
  [
    "dependentRequired",
    one("must be an object of arrays of texts", (value) => isObject(value) && Object.values(value).every(isTexts)),
  ],
  ...each(text, "$id", "$ref", "$schema", "$anchor", "$comment", "$dynamicRef", "$dynamicAnchor", "$recursiveRef"),
  ...each(text, "title", "description", "contentEncoding", "contentMediaType"),
  ...each(flag, "$recursiveAnchor", "readOnly", "writeOnly", "deprecated"),
  ["$vocabulary", object],
  ["default", anything],
  ["examples", values],
]);

function each(rule: Rule, ...keywords: readonly string[]): readonly (readonly [string, Rule])[] {
  return keywords.map((keyword) => [keyword, rule] as const);
}

const isType = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 && value.every((item) => TYPES.has(item)) : TYPES.has(value);

/** Whose own they are, nobody else can say. */
const isExtension = (keyword: string): boolean => keyword.startsWith("x-") || keyword.startsWith("~");

/**
 * What is wrong with the schema of `field`, each as a clause with its place as a JSON pointer, in the order of the text. The
 * schema's size and depth are bounded already.
 */
export function schemaMistakes(field: string, value: unknown): readonly string[] {
  const mistakes: string[] = [];
  const seen: SchemaPart[] = [];
  findMistakes(field, { value, pointer: "" }, mistakes, seen);
  for (const lost of lostReferences(seen)) {
    mistakes.push(
      `${field}${cut(lost.pointer)} is ${show(lost.value)}, leads nowhere: a schema refers to its own parts only`,
    );
  }
  const more = mistakes.length - MISTAKES_SHOWN_MAX;
  return more > 0 ? [...mistakes.slice(0, MISTAKES_SHOWN_MAX), `${more} more in ${field}`] : mistakes;
}

/** All schemas are left in `seen`, the outermost first. */
function findMistakes(field: string, { value, pointer }: Part, mistakes: string[], seen: SchemaPart[]): void {
  if (typeof value === "boolean") return;
  const place = (at: string): string => `${field}${cut(at)}`;
  if (!isObject(value)) {
    mistakes.push(`${place(pointer)} is ${show(value)}, must be a schema`);
    return;
  }
  seen.push({ value, pointer });
  for (const [keyword, item] of Object.entries(value)) {
    const part = { value: item, pointer: memberPointer(pointer, keyword) };
    const rule = KEYWORDS.get(keyword);
    if (rule === undefined) {
      if (!isExtension(keyword)) mistakes.push(`${place(part.pointer)} is no keyword of JSON Schema`);
      continue;
    }
    const within: Part[] = [];
    const must = rule(part, within);
    if (must !== "") mistakes.push(`${place(part.pointer)} is ${show(item)}, ${must}`);
    for (const inner of within) findMistakes(field, inner, mistakes, seen);
  }
}

const show = (value: unknown): string => cut(JSON.stringify(value) ?? "undefined");

const cut = (shown: string): string =>
  shown.length > SHOWN_LENGTH_MAX ? `${shown.slice(0, SHOWN_LENGTH_MAX)}…` : shown;
