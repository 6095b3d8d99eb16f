import { Type } from "typebox";
import { describe, expect, expectTypeOf, test, vi } from "vitest";
import { refusalOf } from "#runtime/sandbox/refusal.guest.ts";
import { CallerError, defineFunction, type Invocation, memoizePerKey } from "./define.ts";

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

describe("memoizePerKey", () => {
  const parse = (value: string): readonly number[] => JSON.parse(value) as number[];

  test("makes it once for as long as the key has the same value", () => {
    const make = vi.fn(parse);
    const listOf = memoizePerKey(make);

    const first = listOf("a", "[1]");
    expect(first).toEqual([1]);
    // A text of its own, as each reply brings one.
    expect(listOf("a", ["[", "1]"].join(""))).toBe(first);
    expect(make).toHaveBeenCalledTimes(1);

    expect(listOf("a", "[2]")).toEqual([2]);
    expect(listOf("b", "[2]")).toEqual([2]);
    expect(listOf("a", "[1]")).toEqual([1]);
    expect(make).toHaveBeenCalledTimes(4);
  });

  test("keeps those that were asked for last, no more than told", () => {
    const make = vi.fn(parse);
    // Each counts for 64 more than its texts: room for eight, of which the last four are kept whatever else is asked for.
    const listOf = memoizePerKey(make, { charactersMax: 8 * (64 + 2 + 3) });
    const ask = (...keys: readonly string[]): number => {
      make.mockClear();
      for (const key of keys) listOf(key, "[0]");
      return make.mock.calls.length;
    };

    expect(ask("k1", "k2", "k3", "k4")).toBe(4);
    for (let time = 0; time < 3; time++) expect(ask("k1", "k2", "k3", "k4")).toBe(0);
    expect(ask("k5", "k6")).toBe(2);
    expect(ask("k3", "k4", "k5", "k6")).toBe(0);
    expect(ask("k7", "k8")).toBe(2);
    // Not asked for since eight others were.
    expect(ask("k1", "k2")).toBe(2);
  });

  test("keeps the others where one changes again and again", () => {
    const make = vi.fn(parse);
    const listOf = memoizePerKey(make, { charactersMax: 8 * (64 + 2 + 3) });
    for (const key of ["k1", "k2", "k3"]) listOf(key, "[0]");
    for (let time = 1; time <= 9; time++) expect(listOf("k4", `[${time}]`)).toEqual([time]);
    expect(make).toHaveBeenCalledTimes(12);
    for (const key of ["k1", "k2", "k3"]) listOf(key, "[0]");
    expect(make).toHaveBeenCalledTimes(12);
  });

  test.each([-1, Number.NaN])("refuses to keep %d characters", (charactersMax) => {
    expect(() => memoizePerKey(parse, { charactersMax })).toThrow(RangeError);
  });

  test("makes anew what is too long to be kept, and keeps the rest", () => {
    const make = vi.fn(parse);
    const listOf = memoizePerKey(make, { charactersMax: 1_000 });
    const long = JSON.stringify(Array.from({ length: 400 }, () => 1));
    listOf("short", "[1]");
    for (let time = 0; time < 3; time++) expect(listOf("long", long)).toHaveLength(400);
    expect(make).toHaveBeenCalledTimes(4);
    listOf("short", "[1]");
    expect(make).toHaveBeenCalledTimes(4);
  });

  test("throws what making it throws, and keeps nothing of it", () => {
    const make = vi.fn(parse);
    const listOf = memoizePerKey(make);
    for (let time = 0; time < 2; time++) expect(() => listOf("a", "[")).toThrow(SyntaxError);
    expect(make).toHaveBeenCalledTimes(2);
    expect(listOf("a", "[1]")).toEqual([1]);
  });
});

describe("CallerError", () => {
  test("has a status, a message and data, which its caller reads as JSON", () => {
    const error = new CallerError(404, "there is no user 7", { user: 7 });
    expect([error instanceof Error, error.message]).toEqual([true, "there is no user 7"]);
    expect(refusalOf(error)).toBe('{"status":404,"data":{"user":7}}');
    expect(refusalOf(new CallerError(499, ""))).toBe('{"status":499}');
  });

  test.each([399, 500, 404.5, Number.NaN, "404"])("refuses the status %s", (status) => {
    expect(() => new CallerError(status as number, "")).toThrow(
      `the status of a CallerError must be an integer from 400 to 499, got ${status}`,
    );
  });

  test("refuses data that is no JSON, or too long", () => {
    expect(() => new CallerError(400, "", 1n)).toThrow(TypeError);
    expect(() => new CallerError(400, "", "x".repeat(15 * 1024))).toThrow("at most 15360 characters of JSON");
  });

  test("is no other error, and none that was made by hand beyond its bounds", () => {
    const made = (fields: object): unknown => Object.assign(new Error("made"), { kind: "locus.callerError" }, fields);
    const again = (): never => {
      throw new Error("again");
    };
    for (const thrown of [
      new Error("plain"),
      "text",
      { kind: "locus.callerError", status: 400 },
      made({ status: 500 }),
      made({ status: "400" }),
      made({ status: 400, data: "x".repeat(16 * 1024) }),
      made({ status: 400, data: 1n }),
      made({ status: 400, data: { toJSON: again } }),
      new Proxy(new Error("hostile"), { get: again, getPrototypeOf: again }),
    ]) {
      expect(refusalOf(thrown)).toBeUndefined();
    }
  });
});
