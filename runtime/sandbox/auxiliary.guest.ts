// Runs in a context of its own in the isolate, out of the guest's reach: checks args and results against the function's
// schemas, and turns positions in the bundle into the author's files and lines. Called by the loop, inside the deadline; and
// when a bundle is checked, to compile its schemas once.

import "./auxiliary-globals.guest.ts";
import { TraceMap } from "@jridgewell/trace-mapping";
import { Build, Compile } from "typebox/schema";
import { authorStack } from "./author-stack.guest.ts";
import { schemaFaults } from "./schema-faults.guest.ts";
import { mistakesText } from "./schema-mistakes.guest.ts";

type Check = (value: unknown) => string | undefined;
const checks = new Map<string, Check>();
let map: TraceMap | undefined;

/** Names that every object has from its prototype, as a schema names them. typebox asks with `in` whether a value has one. */
const INHERITED = Object.getOwnPropertyNames(Object.prototype).map((name) => JSON.stringify(name));

/** The value, of JSON, with no members but its own. */
function bare(value: unknown): unknown {
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next !== "object" || next === null) continue;
    for (const member of Object.values(next)) left.push(member);
    if (!Array.isArray(next)) Object.setPrototypeOf(next, null);
  }
  return value;
}

function compile(which: string, schemaJson: string): Check {
  const validator = Compile(JSON.parse(schemaJson) as object);
  const what = which === "input" ? "args" : "result";
  const namesInherited = INHERITED.some((name) => schemaJson.includes(name));
  return (json) => {
    const value = namesInherited ? bare(json) : json;
    if (validator.Check(value)) return undefined;
    const [, findings] = validator.Errors(value);
    return findings.length > 0 ? mistakesText(what, findings) : `${what} does not fit the ${which} schema`;
  };
}

/** What is wrong with the value; nothing when it fits. `which` is "input" or "output". */
function check(which: string, schemaJson: string, json: string): string | undefined {
  let known = checks.get(which);
  if (known === undefined) {
    known = compile(which, schemaJson);
    checks.set(which, known);
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    return `args are not JSON: ${(error as Error).message}`;
  }
  return known(value);
}

/**
 * The body of a function of typebox's `Guard` that returns the check of a value, for checker.guest.ts; empty if the check
 * needs more than that. The same code that `Compile` evaluates.
 */
function checkerCode(schemaJson: string): string {
  if (INHERITED.some((name) => schemaJson.includes(name))) return "";
  const build = Build(JSON.parse(schemaJson) as object);
  const { identifier, variables } = build.External();
  const literals = variables.map(literalOf);
  const code = `const ${identifier} = [${literals.join(",")}]; ${build.Functions().join(";\n")}; return (value) => ${build.Entry()}`;
  return build.UseUnevaluated() || literals.includes(null) || code.includes("Hashing.") ? "" : code;
}

/** null: it has none. */
function literalOf(value: unknown): string | null {
  if (value instanceof RegExp) return `new RegExp(${JSON.stringify(value.source)},${JSON.stringify(value.flags)})`;
  return typeof value === "function" || value === undefined ? null : JSON.stringify(value);
}

/** Why the schemas cannot be used, with the places; empty when they can. JSON, empty where there is none. */
function compileSchemas(inputJson: string, outputJson: string): string {
  return [
    ["input", inputJson],
    ["output", outputJson],
  ]
    .flatMap(([field = "", json = ""]) => (json === "" ? [] : schemaFaults(field, JSON.parse(json) as object)))
    .join("; ");
}

/** The stack with the author's positions, where the bundle had a map (empty: it had none). Lines of locus' own programs are left out. */
function mapStack(sourceMapJson: string, stack: string): string {
  if (sourceMapJson !== "") map ??= new TraceMap(sourceMapJson);
  return authorStack(map, stack, (frame) => frame.includes("<locus>"));
}

/**
 * The first place that a stack names, by the author's files; where it names none, the file that the bundle was made of. If a
 * package's code failed, its place follows: `own.ts:3:1: in node_modules/zod/index.js:9:5`.
 */
function locate(sourceMapJson: string, stack: string): string {
  const places = mapStack(sourceMapJson, stack)
    .split("\n")
    .flatMap((frame) => /^ {4}at (?:.*\()?(?:async )?([^()]+:\d+:\d+)\)?$/.exec(frame)?.[1] ?? []);
  // esbuild puts a file behind all that it imports.
  const own = places.find(isOwn) ?? map?.sources.findLast((source) => source !== null && isOwn(source)) ?? "";
  const [first = own] = places;
  return isOwn(first) ? first : `${own}: in ${first}`;
}

const isOwn = (place: string): boolean => !place.startsWith("node_modules/");

export default { check, checkerCode, compileSchemas, locate, mapStack };
