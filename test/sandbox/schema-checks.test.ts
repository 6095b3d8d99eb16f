// Whether values fit their schemas, in isolates: as typebox itself says, whichever program looks at them.

import { afterAll, beforeAll, expect, test } from "vitest";
import { Compile } from "typebox/schema";
import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { Supervisor } from "#runtime/sandbox/supervisor.ts";

const SCHEMAS: readonly object[] = [
  { type: "string" },
  { type: "string", minLength: 2, maxLength: 3 },
  { type: "string", pattern: "^a+/\\d$" },
  { type: "string", format: "email" },
  { type: "integer", minimum: 1, exclusiveMaximum: 4 },
  { type: "array", items: { type: "number" }, minItems: 1, uniqueItems: true },
  { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false },
  { type: "object", properties: { toString: { type: "string" } }, required: ["toString"] },
  { type: "object", patternProperties: { "^x": { type: "null" } }, additionalProperties: { type: "boolean" } },
  { type: "object", properties: { a: { type: "string" } }, unevaluatedProperties: false },
  { enum: ["a", 1, null, { b: [1] }] },
  { const: { b: [1] } },
  { anyOf: [{ type: "null" }, { type: "boolean" }] },
  { not: { type: "string" } },
  { $ref: "#/$defs/tree", $defs: { tree: { type: "array", items: { $ref: "#/$defs/tree" } } } },
];
const VALUES = ([] as unknown[]).concat(
  [null, true, 0, 1, 3, 4, 1.5, "", "a", "aa", "aa/1", "👍👍", "👍👍👍👍", "a@b.org", "x'\"\\\n\u2028"],
  [[], [1], [1, 1], [[], [[]]], [{}]],
  [{}, { a: "1" }, { a: 1 }, { a: "1", b: 2 }, { b: [1] }, { toString: "1" }, { x: null }, { x: 1 }, { y: true }],
);

let supervisor: Supervisor;
beforeAll(async () => {
  supervisor = await startSupervisor({ channel: new MemoryChannel(), queueLengthMax: 100, onLog: () => {} });
});
afterAll(() => supervisor.close(0));

test.each(SCHEMAS.map((schema) => [JSON.stringify(schema), schema] as const))("%s", async (text, schema) => {
  const fits = Compile(schema);
  for (const field of ["input", "output"] as const) {
    const bundle = Buffer.from(
      `export default { kind: "locus.function", name: "checked", ${field}: ${text}, run: ({ args }) => args };`,
    );
    const image = { description: await supervisor.check(bundle), bundle };
    for (const value of VALUES) {
      const json = JSON.stringify(value);
      const outcome = await supervisor.invoke({ image, keys: [], argsJson: json, deadlineMs: 20_000, logs: false });
      const code = field === "input" ? "ARGS_INVALID" : "RESULT_INVALID";
      expect(outcome).toMatchObject(
        fits.Check(value) ? { ok: true, resultJson: json } : { ok: false, error: { code } },
      );
    }
  }
});

test("values that do not fit, and do, take turns in one isolate", async () => {
  const bundle = Buffer.from(
    `export default { kind: "locus.function", name: "turns", input: { type: "string" }, run: ({ args }) => args };`,
  );
  const image = { description: await supervisor.check(bundle), bundle };
  for (let turn = 0; turn < 10; turn++) {
    for (const argsJson of ["1", '"a"', "{", '"b"']) {
      const outcome = await supervisor.invoke({ image, keys: [], argsJson, deadlineMs: 20_000, logs: false });
      expect(outcome.ok).toBe(argsJson.startsWith('"'));
    }
  }
});
