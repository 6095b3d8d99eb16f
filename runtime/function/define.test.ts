import { Type } from "typebox";
import { describe, expect, expectTypeOf, test } from "vitest";
import { defineFunction, type Invocation } from "./define.ts";

describe("defineFunction", () => {
  test("gives a frozen definition with the author's fields and its brand", () => {
    const definition = defineFunction({ name: "one", side: "storage", limits: { deadlineMs: 10 }, run: () => 1 });

    expect(definition).toMatchObject({
      kind: "locus.function",
      name: "one",
      side: "storage",
      limits: { deadlineMs: 10 },
    });
    expect(Object.isFrozen(definition)).toBe(true);
  });

  test("refuses what has nothing to run", () => {
    expect(() => defineFunction({ name: "none" } as never)).toThrow(TypeError);
    expect(() => defineFunction(undefined as never)).toThrow("a name and a run method");
  });

  test("types args by a JSON Schema written out", () => {
    const definition = defineFunction({
      name: "walk",
      input: {
        type: "object",
        required: ["nodeId"],
        properties: { nodeId: { type: "string" }, depth: { type: "integer" } },
      },
      run: ({ args: { nodeId, depth = 2 } }) => ({ nodeId, depth }),
    });

    expectTypeOf(definition.run)
      .parameter(0)
      .toHaveProperty("args")
      .toEqualTypeOf<{ nodeId: string; depth?: number }>();
    expectTypeOf(definition.run).returns.resolves.toEqualTypeOf<{ nodeId: string; depth: number }>();
  });

  test("types args by a typebox schema, which is plain JSON when it is read", () => {
    const definition = defineFunction({
      name: "walk",
      input: Type.Object({ nodeId: Type.String() }),
      run: ({ args }) => args.nodeId.length,
    });

    expectTypeOf(definition.run).parameter(0).toHaveProperty("args").toEqualTypeOf<{ nodeId: string }>();
    expect(JSON.parse(JSON.stringify(definition.input))).toEqual({
      type: "object",
      required: ["nodeId"],
      properties: { nodeId: { type: "string" } },
    });
  });

  test("types args by annotation where there is no schema, and leaves them unknown where there is neither", () => {
    const annotated = defineFunction({ name: "walk", run: ({ args }: Invocation<{ id: string }>) => args.id });
    const bare = defineFunction({ name: "walk", run: ({ args }) => args });

    expectTypeOf(annotated.run).parameter(0).toHaveProperty("args").toEqualTypeOf<{ id: string }>();
    expectTypeOf(bare.run).parameter(0).toHaveProperty("args").toEqualTypeOf<unknown>();
  });

  test("holds the result to the output schema", () => {
    const output = { type: "object", required: ["sum"], properties: { sum: { type: "number" } } } as const;

    const right = defineFunction({ name: "right", output, run: () => ({ sum: 1 }) });
    // @ts-expect-error a text is no number
    defineFunction({ name: "wrong", output, run: () => ({ sum: "1" }) });

    expectTypeOf(right.run).returns.resolves.toEqualTypeOf<{ sum: number }>();
  });
});
