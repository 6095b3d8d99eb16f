// References of a schema that lead nowhere. The validator takes what it does not find for a schema that nothing fits, without
// a word, and fetches nothing. Used by `schema.ts` only.

import { stepsOf } from "./json-pointer.ts";
import type { Part, SchemaPart } from "./schema.ts";

/**
 * Each `$ref` that leads to no part of the schema, with its place. `schemas`: all that there are, the outermost first. Where
 * one within has an `$id` it may be what a reference begins at: then none is called lost.
 */
export function lostReferences(schemas: readonly SchemaPart[]): readonly Part[] {
  const [root, ...within] = schemas;
  if (root === undefined || within.some(({ value }) => "$id" in value)) return [];
  const anchors = new Set(schemas.flatMap(({ value }) => [value["$anchor"], value["$dynamicAnchor"]]));
  const isLost = (reference: string): boolean => {
    const [base = "", fragment = ""] = reference.split("#", 2);
    if (base !== "" && !isIdOf(root, base)) return true;
    const name = decoded(fragment);
    if (name === undefined || name === "") return name === undefined;
    return name.startsWith("/") ? !leads(root.value, name) : !anchors.has(name);
  };
  return schemas.flatMap(({ value: { $ref: reference }, pointer }) =>
    typeof reference === "string" && isLost(reference) ? [{ value: reference, pointer: `${pointer}/$ref` }] : [],
  );
}

/** Whether a reference that begins so means the schema itself: as its `$id` is written, or as that has it resolved. */
function isIdOf({ value: { $id } }: SchemaPart, base: string): boolean {
  if (typeof $id !== "string") return false;
  const id = withoutFragment($id);
  const own = URL.parse(id);
  return base === id || (own !== null && URL.parse(base, own)?.href === own.href);
}

const withoutFragment = (uri: string): string => uri.split("#", 1)[0] ?? "";

/** Nothing where it is no URI's. */
const decoded = (fragment: string): string | undefined => {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
};

/** Whether there is something at the JSON pointer. */
const leads = (root: unknown, pointer: string): boolean => {
  let value = root;
  for (const name of stepsOf(pointer)) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return false;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return true;
};
