// What stands in the way of a schema, found by compiling it as a call would: in the words of the validator, and with the place
// of what it says them of. Part of the auxiliary program (auxiliary.guest.ts), when a function is deployed.

import { Compile } from "typebox/schema";
import { memberPointer } from "../function/json-pointer.ts";

/** Characters of a fault: words may repeat all of a pattern. */
const WORDS_LENGTH_MAX = 200;
const FAULTS_SHOWN_MAX = 3;

/** Keywords whose members are schemas by names of the author's. */
const NAMING = new Set(["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"]);
/** Keywords whose values are no schemas, whatever they look like. */
const PLAIN = new Set(["const", "enum", "default", "examples"]);

/** `input/properties/id/pattern: Invalid regular expression: …`, the first of them; none where the schema can be used. */
export function schemaFaults(field: string, schema: object): readonly string[] {
  const words = wordsOf(schema);
  if (words === undefined) return [];
  const faults: string[] = [];
  find(schema, field, false, faults);
  // It may be only the whole that is too much.
  return faults.length > 0 ? faults.slice(0, FAULTS_SHOWN_MAX) : [`${field}: ${words}`];
}

/** What the validator throws; nothing where it takes the schema. */
function wordsOf(schema: object): string | undefined {
  try {
    Compile(schema);
    return undefined;
  } catch (error) {
    return cut(error instanceof Error ? error.message : String(error));
  }
}

/** Looks for the innermost keywords that are refused by themselves, else for schemas. Whether there is one. */
function find(value: unknown, place: string, isNaming: boolean, faults: string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  const isSchema = !isNaming && !Array.isArray(value);
  let isFound = false;
  for (const [name, member] of Object.entries(value)) {
    if (isSchema && PLAIN.has(name)) continue;
    if (faults.length >= FAULTS_SHOWN_MAX) return true;
    const at = memberPointer(place, name);
    const isWithin = find(member, at, isSchema && NAMING.has(name), faults);
    isFound = isWithin || (isSchema && note({ [name]: member }, at, faults)) || isFound;
  }
  return isFound || (isSchema && note(value, place, faults));
}

/** Whether there is something to note. */
function note(schema: object, place: string, faults: string[]): boolean {
  const words = wordsOf(schema);
  if (words !== undefined) faults.push(`${place}: ${words}`);
  return words !== undefined;
}

/** From the middle: how words end says why. */
function cut(words: string): string {
  if (words.length <= WORDS_LENGTH_MAX) return words;
  const half = WORDS_LENGTH_MAX / 2;
  return `${words.slice(0, half)}…${words.slice(-half)}`;
}
