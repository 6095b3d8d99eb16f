// What stands in the way of a schema, found by compiling it as a call would: in the words of the validator, and with the place
// of what it says them of. Part of the auxiliary program (auxiliary.guest.ts), when a function is deployed.

import { Build } from "typebox/schema";

/** Characters of a fault: words may repeat all of a pattern. */
const WORDS_LENGTH_MAX = 200;
const FAULTS_SHOWN_MAX = 3;

/** Keywords whose members are schemas by names of the author's. */
const NAMING = new Set(["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"]);
/** Keywords whose values are no schemas, whatever they look like. */
const PLAIN = new Set(["const", "enum", "default", "examples"]);

type Members = Readonly<Record<string, unknown>>;

/** `input/properties/id/pattern: Invalid regular expression: …`, the first of them; none where the schema can be used. */
export function schemaFaults(field: string, schema: object): readonly string[] {
  const words = wordsOf(schema);
  if (words === undefined) return [];
  const faults: string[] = [];
  find(schema, field, false, faults);
  // It may be only the whole that is too much.
  return faults.length > 0 ? faults.slice(0, FAULTS_SHOWN_MAX) : [`${field}: ${words}`];
}

/** What the validator throws; nothing where it takes the schema. V8 compiles a pattern when it is first used. */
function wordsOf(schema: object): string | undefined {
  try {
    const build = Build(schema);
    build.Evaluate();
    for (const variable of build.External().variables) if (variable instanceof RegExp) variable.test("");
    return undefined;
  } catch (error) {
    return cut(error instanceof Error ? error.message : String(error));
  }
}

/** Looks for the innermost schemas that are refused by themselves. Whether there is one. */
function find(value: unknown, place: string, isNaming: boolean, faults: string[]): boolean {
  if (typeof value !== "object" || value === null || faults.length >= FAULTS_SHOWN_MAX) return false;
  let isFound = false;
  for (const [name, member] of Object.entries(value)) {
    if (isNaming || Array.isArray(value) || !PLAIN.has(name)) {
      const isNamingMember = !isNaming && !Array.isArray(value) && NAMING.has(name);
      isFound = find(member, `${place}/${pointed(name)}`, isNamingMember, faults) || isFound;
    }
  }
  if (isFound || isNaming || Array.isArray(value)) return isFound;
  const words = wordsOf(value);
  if (words !== undefined) faults.push(`${place}${keywordOf(value as Members, words)}: ${words}`);
  return words !== undefined;
}

/** The keyword that is refused alone, with the same words; nothing where it takes several. */
function keywordOf(schema: Members, words: string): string {
  const keyword = Object.keys(schema).find((name) => wordsOf({ [name]: schema[name] }) === words);
  return keyword === undefined ? "" : `/${pointed(keyword)}`;
}

const pointed = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");

/** From the middle: how words end says why. */
function cut(words: string): string {
  if (words.length <= WORDS_LENGTH_MAX) return words;
  const half = WORDS_LENGTH_MAX / 2;
  return `${words.slice(0, half)}…${words.slice(-half)}`;
}
