import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LocusError } from "#runtime/errors.ts";
import { describeDefinition, readDescription, SCHEMA_DEPTH_MAX, SCHEMA_LENGTH_MAX } from "./describe.ts";
import { type FunctionDescription, LIMITS, type Limits, NAME_PATTERN } from "./description.ts";

const VERSION = "0123456789abcdef";
const MINIMAL = { kind: "locus.function", name: "one", run: "function" };

/** What comes of describing this definition: a description, or the error that is thrown. */
function outcomeOf(value: unknown): FunctionDescription | LocusError {
  try {
    return describeDefinition(value, VERSION, "deploy");
  } catch (error) {
    if (error instanceof LocusError) return error;
    throw error;
  }
}

function refusalOf(value: unknown): LocusError {
  const outcome = outcomeOf(value);
  if (outcome instanceof LocusError) return outcome;
  throw new Error(`accepted ${JSON.stringify(value)}`);
}

describe("describeDefinition", () => {
  test("fills in what the author left out", () => {
    expect(describeDefinition(MINIMAL, VERSION, "deploy")).toEqual({
      name: "one",
      version: VERSION,
      side: null,
      limits: { deadlineMs: 5_000, cpuMs: 5_000, memoryMb: 64, operations: 1_000_000, concurrency: 32 },
      input: null,
      output: null,
    });
  });

  test("keeps what the author gave", () => {
    const input = { type: "object", properties: { id: { type: "string" } } };
    const given = {
      ...MINIMAL,
      side: "compute",
      limits: { memoryMb: 128 },
      input,
      output: {},
    };

    expect(describeDefinition(given, VERSION, "deploy")).toMatchObject({
      side: "compute",
      limits: { memoryMb: 128, deadlineMs: 5_000 },
      input,
      output: {},
    });
  });

  test.for([null, undefined, 1, "function", [], {}, { name: "one", run: "function" }])(
    "refuses a default export that is no definition: %j",
    (value) => {
      const refusal = refusalOf(value);
      expect(refusal.code).toBe("FUNCTION_INVALID");
      expect(refusal.message).toContain("default export");
    },
  );

  test("lists every mistake at once", () => {
    const { code, message } = refusalOf({
      ...MINIMAL,
      name: "No Name",
      run: undefined,
      side: "moon",
      capabilities: ["fetch"],
      limits: { deadlineMs: 0, memoryMb: 1.5, cpuMs: "5", cores: 2 },
      input: true,
      limit: {},
    });

    expect(code).toBe("FUNCTION_INVALID");
    for (const part of [
      '"limit" is no field of a definition, which has name, side, limits, input, output, run',
      "run must be a function",
      'name is "No Name"',
      'side is "moon"',
      "capabilities: this version of locus gives none",
      'limits has "cores"',
      "limits.deadlineMs is 0, must be a whole number from 1 to 300000",
      "limits.memoryMb is 1.5",
      'limits.cpuMs is "5"',
      "input is true",
    ]) {
      expect(message).toContain(part);
    }
  });

  test("bounds the schemas", () => {
    let nested: object = {};
    for (let level = 1; level < SCHEMA_DEPTH_MAX; level++) nested = { items: nested };

    expect(describeDefinition({ ...MINIMAL, input: nested }, VERSION, "deploy").input).toEqual(nested);
    expect(refusalOf({ ...MINIMAL, input: { items: nested } }).message).toContain("input is nested deeper than 32");
    expect(refusalOf({ ...MINIMAL, output: { title: "x".repeat(SCHEMA_LENGTH_MAX) } }).message).toContain(
      "output is longer than 65536",
    );
  });

  test("refuses schemas with mistakes when they are deployed, and serves those that an older release took", () => {
    const input = { type: "objekt" };
    const output = { requird: ["a"] };
    const { message } = refusalOf({ ...MINIMAL, side: "moon", input, output });
    for (const part of ["side is", 'input/type is "objekt"', "output/requird is no keyword"]) {
      expect(message).toContain(part);
    }
    expect(describeDefinition({ ...MINIMAL, input, output }, VERSION, "serve")).toMatchObject({ input, output });
  });

  test("keeps its message short, however long the author's values are", () => {
    expect(refusalOf({ ...MINIMAL, name: "x".repeat(1_000_000) }).message.length).toBeLessThan(300);
  });

  test("accepts within every limit's range and nowhere else", () => {
    const limit = fc.constantFrom(...(Object.keys(LIMITS) as (keyof Limits)[]));
    fc.assert(
      fc.property(limit, fc.oneof(fc.integer(), fc.double(), fc.nat(2_000)), (name, value) => {
        const { min, max } = LIMITS[name];
        const isInRange = Number.isInteger(value) && value >= min && value <= max;
        const outcome = outcomeOf({ ...MINIMAL, limits: { [name]: value } });
        expect(outcome).toMatchObject(isInRange ? { limits: { [name]: value } } : { code: "FUNCTION_INVALID" });
      }),
    );
  });

  test("describes or refuses any JSON, and throws nothing else", () => {
    const field = fc.option(fc.jsonValue(), { nil: undefined });
    const definition = fc.record({
      kind: fc.constant("locus.function"),
      name: fc.oneof(field, fc.stringMatching(NAME_PATTERN)),
      run: fc.constantFrom("function", undefined),
      side: field,
      capabilities: field,
      limits: field,
      input: field,
      output: field,
    });
    fc.assert(
      fc.property(fc.oneof(definition, fc.jsonValue()), (value) => {
        const outcome = outcomeOf(value);
        const isDescription = !(outcome instanceof LocusError);
        expect(isDescription ? NAME_PATTERN.test(outcome.name) : outcome.code === "FUNCTION_INVALID").toBe(true);
      }),
    );
  });
});

/** As `outcomeOf`, of a description as text. */
function readOutcomeOf(json: string): FunctionDescription | LocusError {
  try {
    return readDescription(json);
  } catch (error) {
    if (error instanceof LocusError) return error;
    throw error;
  }
}

describe("readDescription", () => {
  const limit = (name: keyof Limits) => fc.integer({ min: LIMITS[name].min, max: LIMITS[name].max });
  const definition = fc.record({
    kind: fc.constant("locus.function"),
    run: fc.constant("function"),
    name: fc.stringMatching(NAME_PATTERN),
    side: fc.constantFrom("compute", "storage", null),
    limits: fc.record({
      deadlineMs: limit("deadlineMs"),
      memoryMb: limit("memoryMb"),
      operations: limit("operations"),
    }),
    input: fc.option(fc.dictionary(fc.string(), fc.string())),
  });

  test("reads what describeDefinition has written", () => {
    fc.assert(
      fc.property(definition, (value) => {
        const description = describeDefinition(value, VERSION, "serve");
        expect(readDescription(JSON.stringify(description))).toEqual(description);
      }),
    );
  });

  test("reads what another release has written, without what this one does not know", () => {
    const description = describeDefinition(MINIMAL, VERSION, "deploy");
    expect(readDescription(JSON.stringify({ ...description, capabilities: [], later: 1 }))).toEqual(description);
  });

  test("throws nothing but FUNCTION_INVALID, whatever the text is", () => {
    const changed = fc
      .tuple(
        definition,
        fc.dictionary(fc.constantFrom("name", "version", "side", "limits", "capabilities"), fc.jsonValue()),
      )
      .map(([value, changes]) => JSON.stringify({ ...describeDefinition(value, VERSION, "serve"), ...changes }));
    const torn = fc.tuple(changed, fc.nat()).map(([json, end]) => json.slice(0, end % json.length));
    fc.assert(
      fc.property(fc.oneof(changed, torn, fc.json(), fc.string()), (json) => {
        const read = readOutcomeOf(json);
        const sound = read instanceof LocusError ? read.code === "FUNCTION_INVALID" : NAME_PATTERN.test(read.name);
        expect(sound).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});
