// Turns what a bundle exports into a FunctionDescription. The sandbox host evaluates the bundle and hands over its default
// export as JSON; nothing in it is trusted, since whoever writes a bundle may write anything there.

import { LocusError } from "#runtime/errors.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { type FunctionDescription, LIMITS, type Limits, NAME_PATTERN } from "./description.ts";
import { schemaMistakes } from "./schema.ts";

/** Characters of one schema as JSON, at most. Chosen, not measured. */
export const SCHEMA_LENGTH_MAX = 64 * 1024;
/** Levels of objects and arrays in one schema, at most. Chosen, not measured. */
export const SCHEMA_DEPTH_MAX = 32;

const VERSION_PATTERN = /^[0-9a-f]{16}$/;
/** `kind` is defineFunction's own. */
const FIELDS = new Set(["kind", "name", "side", "limits", "input", "output", "run"]);
/** Authors look for these; what to say to them. */
const ABSENT: Readonly<Record<string, string>> = {
  capabilities: "this version of locus gives none: a function reaches Redis, and has no fetch and no network",
};

type Fields = Readonly<Record<string, unknown>>;
/** Where checks note what is wrong, each as a clause that stands alone. */
type Mistakes = string[];

/**
 * What a definition is read for. A schema that says nothing where its author meant something is refused when it is
 * deployed; what is deployed is served, since an older release may have taken it.
 */
export type Purpose = "deploy" | "serve";

/**
 * Reads a definition. `value` is the default export as JSON data, its functions replaced by the text "function":
 *
 *     { "kind": "locus.function", "name": "khop", "limits": { "deadlineMs": 2000 }, "run": "function" }
 *
 * `side`, `limits`, `input` and `output` may be absent or null. Throws FUNCTION_INVALID with all mistakes.
 */
export function describeDefinition(value: unknown, version: string, purpose: Purpose): FunctionDescription {
  if (!isFields(value) || value["kind"] !== "locus.function") {
    throw new LocusError(
      "FUNCTION_INVALID",
      `the bundle's default export is ${show(value)}, not what defineFunction returns: write export default defineFunction({ … })`,
    );
  }
  const mistakes: Mistakes = Object.keys(value)
    .filter((field) => !FIELDS.has(field))
    .map(explainField);
  if (value["run"] !== "function") mistakes.push("run must be a function");

  const description: FunctionDescription = {
    name: readName(value["name"], mistakes),
    version,
    side: readSide(value["side"] ?? null, mistakes),
    limits: readLimits(value["limits"] ?? {}, mistakes),
    input: readSchema("input", value["input"] ?? null, purpose, mistakes),
    output: readSchema("output", value["output"] ?? null, purpose, mistakes),
  };
  if (mistakes.length > 0) {
    throw new LocusError("FUNCTION_INVALID", `the function's definition cannot be used: ${mistakes.join("; ")}`);
  }
  return description;
}

const explainField = (field: string): string =>
  Object.hasOwn(ABSENT, field)
    ? `${field}: ${ABSENT[field]}`
    : `${show(field)} is no field of a definition, which has ${[...FIELDS].filter((one) => one !== "kind").join(", ")}`;

/**
 * Reads a description as the registry or a sandbox host hands it over, where others have written it, perhaps with another
 * release: fields that this one does not know are left out. Throws FUNCTION_INVALID.
 */
export function readDescription(json: string): FunctionDescription {
  const value = parsed(json);
  const { version, name, side, limits, input, output } = isFields(value) ? value : ({} as Fields);
  if (typeof version !== "string" || !VERSION_PATTERN.test(version)) {
    throw new LocusError(
      "FUNCTION_INVALID",
      `a function's description is ${show(json)}, with version ${show(version)}`,
    );
  }
  const definition = { kind: "locus.function", run: "function", name, side, limits, input, output };
  return describeDefinition(definition, version, "serve");
}

const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
};

function readName(name: unknown, mistakes: Mistakes): string {
  if (typeof name === "string" && NAME_PATTERN.test(name)) return name;
  mistakes.push(`name is ${show(name)}, must match ${NAME_PATTERN.source}`);
  return "";
}

function readSide(side: unknown, mistakes: Mistakes): Side | null {
  if (side === null || side === "compute" || side === "storage") return side;
  mistakes.push(`side is ${show(side)}, must be "compute" or "storage"`);
  return null;
}

function readLimits(limits: unknown, mistakes: Mistakes): Limits {
  const given: Fields = isFields(limits) ? limits : {};
  if (!isFields(limits)) mistakes.push(`limits is ${show(limits)}, must be an object`);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(LIMITS, name)) {
      mistakes.push(`limits has ${show(name)}, may have only ${Object.keys(LIMITS).join(", ")}`);
    }
  }
  const read = (name: keyof Limits): number => {
    const range = LIMITS[name];
    const limit = (Object.hasOwn(given, name) ? given[name] : null) ?? range.default;
    if (Number.isInteger(limit) && Number(limit) >= range.min && Number(limit) <= range.max) return Number(limit);
    mistakes.push(`limits.${name} is ${show(limit)}, must be a whole number from ${range.min} to ${range.max}`);
    return range.default;
  };
  return {
    deadlineMs: read("deadlineMs"),
    cpuMs: read("cpuMs"),
    memoryMb: read("memoryMb"),
    operations: read("operations"),
    concurrency: read("concurrency"),
  };
}

function readSchema(field: string, schema: unknown, purpose: Purpose, mistakes: Mistakes): unknown {
  if (schema === null) return null;
  if (!isFields(schema)) mistakes.push(`${field} is ${show(schema)}, must be a JSON Schema: an object`);
  else if (depthOf(schema) > SCHEMA_DEPTH_MAX)
    mistakes.push(`${field} is nested deeper than ${SCHEMA_DEPTH_MAX} levels`);
  else if (JSON.stringify(schema).length > SCHEMA_LENGTH_MAX) {
    mistakes.push(`${field} is longer than ${SCHEMA_LENGTH_MAX} characters of JSON`);
  } else if (purpose === "deploy") mistakes.push(...schemaMistakes(field, schema));
  return schema;
}

/** Levels of objects and arrays; stops counting one past SCHEMA_DEPTH_MAX, which also bounds this recursion. */
function depthOf(value: unknown, above = 0): number {
  if (typeof value !== "object" || value === null || above > SCHEMA_DEPTH_MAX) return above;
  return Object.values(value).reduce<number>((deepest, part) => Math.max(deepest, depthOf(part, above + 1)), above + 1);
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value for a message: JSON, cut, since it is the author's and may be long. */
function show(value: unknown): string {
  const isDeep = depthOf(value) > SCHEMA_DEPTH_MAX;
  const text = isDeep ? "deeply nested data" : (JSON.stringify(value) ?? "undefined");
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
