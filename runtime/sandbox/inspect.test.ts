// Node's own inspect and format are the expectation.

import { Console } from "node:console";
import { Writable } from "node:stream";
import { format as nodeFormat, inspect as nodeInspect } from "node:util";
import { describe, expect, it } from "vitest";
import { makeConsole } from "./console.guest.ts";
import { format } from "./format.guest.ts";
import { inspect } from "./inspect.guest.ts";

class Point {
  readonly x = 1;
  #hidden = 2;
  get sum(): number {
    return this.x + this.#hidden;
  }
}
class Deep extends Point {
  override readonly x = 1;
}
class Own extends Map<unknown, unknown> {}
class Tagged {
  get [Symbol.toStringTag](): string {
    return "Label";
  }
}
class Custom {
  [Symbol.for("nodejs.util.inspect.custom")](depth?: number | null): string {
    return `custom\n${depth}`;
  }
}
class Wrong extends Error {
  readonly code = "E_WRONG";
}
class Named extends Error {
  override readonly name = "OtherError";
}
const cycle: Record<string, unknown> = { name: "a", list: [1] };
cycle["self"] = cycle;
cycle["inner"] = { back: cycle, list: cycle["list"], more: [cycle["list"]] };
const withHoles = [1, , , 4, , 6]; // oxlint-disable-line no-sparse-arrays -- they are what is shown
const withMembers = Object.assign([1, 2], { extra: "x", "-1": true });
const long = "a long text with some words in it, so that it is longer than one line may be, which has 80";
const error = (message: string, options?: ErrorOptions): Error => new Error(message, options);
const frameless = (made: Error): Error => Object.defineProperty(made, "stack", { value: String(made) });

const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  primitives: [0, -0, NaN, Infinity, -Infinity, 1.5e300, 10n, -0n, true, null, undefined, Symbol("s"), Symbol("a\nb")],
  texts: [
    "a",
    "it's",
    'it\'s "x"',
    '`it\'s "x"`',
    "\n\t\\\u0001\x9f\ud800",
    long,
    `${long}\n${long}\nc`,
    "x".repeat(10_050),
  ],
  objects: [
    {},
    { a: 1, "b-c": "d", [Symbol("k")]: 2, __proto: 1, 3: 4 },
    { "": { é: undefined } },
    Object.create(null),
  ],
  prototypes: [
    Object.assign(Object.create(null) as object, { a: [{}] }),
    Object.create({ a: 1 }),
    Object.create(Object.create(null) as object),
    Object.setPrototypeOf([1], null),
    Object.setPrototypeOf(new Map([[1, 2]]), null) === null,
    Object.create(Point.prototype),
    Point.prototype,
    Object.assign({}, { constructor: "x" }),
  ],
  classes: [
    new Point(),
    new Deep(),
    Point,
    Deep,
    // oxlint-disable-next-line typescript/no-extraneous-class -- it is what is shown
    class {},
    new Own([[1, 2]]),
    new Tagged(),
    new Custom(),
    [new Custom()],
  ],
  functions: [
    () => 1,
    function named() {},
    async () => {},
    function* made() {},
    async function* more() {},
    Object.assign(() => 1, { a: 1 }),
    { method() {}, class: 1 },
    { class: () => {} }.class,
    Math.max,
    Map,
    Object.setPrototypeOf(function bare() {}, null),
  ],
  accessors: [
    Object.defineProperties(
      {},
      {
        a: { get: () => 1, enumerable: true },
        b: { set() {}, enumerable: true },
        c: { get: () => 1, set() {}, enumerable: true },
        d: { value: 1 },
      },
    ),
  ],
  collections: [
    new Map(),
    new Set(),
    new Map<unknown, unknown>([
      ["a", 1],
      [{ b: 2 }, new Map([[1, new Set([1])]])],
    ]),
    new Set(["a", { b: [1, { c: {} }] }]),
    Object.assign(new Set([1]), { a: 1 }),
    new WeakMap(),
    new WeakSet(),
    new Set(Array.from({ length: 120 }, (_, i) => i)),
    new Map(Array.from({ length: 30 }, (_, i) => [`key${i}`, { i }])),
  ],
  arrays: [
    [],
    [1, "a", null, undefined, [2, [3, [4, [5]]]]],
    withHoles,
    Array(7),
    [, "x"], // oxlint-disable-line no-sparse-arrays -- it is what is shown
    withMembers,
    Array.from({ length: 7 }, (_, i) => i * 1_000),
    Array.from({ length: 100 }, (_, i) => i),
    Array.from({ length: 101 }, (_, i) => -i / 4),
    Array.from({ length: 250 }, (_, i) => `text ${i % 13}`),
    Array.from({ length: 30 }, (_, i) => "é".repeat(i % 5)),
    Array.from({ length: 9 }, (_, i) => ({ i })),
    Array.from({ length: 12 }, () => long.slice(0, 20)),
    Array.from({ length: 9 }, (_, i) => BigInt(i)),
    "a1".match(/(?<letter>[a-z])\d/),
    (function (..._values: unknown[]) {
      return arguments;
    })(1, "a"), // oxlint-disable-line prefer-rest-params -- it is what is shown
  ],
  bytes: [
    Uint8Array.of(1, 2, 3),
    new Float64Array(3),
    BigInt64Array.of(1n),
    new Uint8Array(0),
    new Uint16Array(200),
    Uint8Array.of(1, 2, 255).buffer,
    new ArrayBuffer(200),
    new DataView(new ArrayBuffer(2)),
    new SharedArrayBuffer(2),
  ],
  others: [
    /a\/b/gi,
    Object.assign(/x/, { a: 1 }),
    new Date(0),
    new Date(NaN),
    Object.assign(new Date(0), { a: 1 }),
    Object(1),
    Object("abc"),
    Object(true),
    Object(10n),
    Object(Symbol("s")),
    JSON,
    Math,
    new WeakRef({}),
    [1].values(),
    (function* make() {})(),
    new Intl.NumberFormat("en"),
    globalThis.structuredClone,
  ],
  nested: [
    { a: { b: { c: { d: 1 } } } },
    {
      a: [[[[1]]]],
      m: new Map([[1, { a: { b: 1 } }]]),
      p: { q: { r: new Point(), s: new Deep(), t: Object.create(null) as object } },
    },
    { first: [1, 2, 3], second: { inner: [1, 2, { x: 1 }] }, third: "x".repeat(60) },
    { a: 1, b: "x".repeat(58) },
    { a: 1, b: "x".repeat(57) },
    { a: long, b: [long, { c: long }] },
    Array.from({ length: 3 }, () => ({ id: "0123456789", name: "some name", tags: ["a", "b"], when: new Date(0) })),
    { f: { g: { re: /x/, d: new Date(0), fn() {}, e: [], o: {} } } },
  ],
  cycles: [cycle, [cycle], new Map([["m", cycle]])],
  errors: [
    frameless(error("a")),
    frameless(error("")),
    { inside: frameless(error("a")), e: error("with a stack") },
    error("a"),
    error("two\nlines"),
    new TypeError("a"),
    new Wrong("w"),
    new Named("n"),
    [new Wrong("w")],
    Object.assign(error("a"), { name: "Renamed", extra: { a: 1 } }),
    error("a", { cause: error("b", { cause: { reason: "full" } }) }),
    error("a", { cause: "text" }),
    new AggregateError([error("b"), 1], "all"),
    Object.create(Error.prototype),
    new (class extends Error {})("anonymous"),
  ],
};

describe("inspect", () => {
  for (const [kind, values] of Object.entries(VALUES))
    it(`shows ${kind} as Node does`, () => {
      expect(values.map((value) => inspect(value, { lengthMax: 1e6 }))).toEqual(
        values.map((value) => nodeInspect(value)),
      );
    });

  it("takes Node's options", () => {
    const value = { a: { b: { c: [1, 2, 3, 4] } }, custom: new Custom() };
    for (const options of [
      { depth: 0 },
      { depth: null },
      { breakLength: Infinity, depth: 5 },
      { breakLength: 20 },
      { maxArrayLength: 2, depth: 9 },
      { customInspect: false },
      { showHidden: true },
    ])
      expect(inspect(value, options)).toBe(nodeInspect(value, options));
  });

  it("says of what the language does not show that it is unknown", () => {
    expect(inspect(Promise.resolve(1))).toBe("Promise { <state unknown> }");
  });

  it("runs no getter, and survives what a proxy throws", () => {
    let runs = 0;
    const value = { get a() { return runs++; }, list: [Object.defineProperty({}, "b", { enumerable: true, get: () => runs++ })] }; // prettier-ignore
    expect(inspect(value)).toBe("{ a: [Getter], list: [ { b: [Getter] } ] }");
    expect(runs).toBe(0);
    const fail = (): never => {
      throw new Error("hostile");
    };
    const proxy = new Proxy({}, { ownKeys: fail, get: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail });
    expect(inspect({ before: 1, proxy, after: [2] })).toBe(
      "{ before: 1, proxy: [a value that cannot be shown], after: [ 2 ] }",
    );
  });

  it("looks at no more than a log line can show", () => {
    let looks = 0;
    const endless = (): object =>
      new Proxy(
        {},
        {
          ownKeys: () => Array.from({ length: 1_000 }, (_, i) => `key${i}`),
          getOwnPropertyDescriptor() {
            looks += 1;
            return { value: endless(), enumerable: true, configurable: true };
          },
        },
      );
    expect(inspect(endless(), { depth: 100 }).length).toBeLessThan(2_000_000);
    expect(looks).toBeLessThan(1_000_000);
    expect(inspect(new Uint8Array(8_000_000)).length).toBeLessThan(4_096);
    expect(inspect("x".repeat(10_000_000).split("")).length).toBeLessThan(4_096);
    expect(inspect(Array(4_000_000_000))).toBe("[ <4000000000 empty items> ]");
  });
});

describe("format", () => {
  it("fills places as Node does", () => {
    const values = ["a", 1.5, -0, 10n, "12.7x", NaN, null, undefined, Symbol("s"), { a: { b: {} } }, [1, "b"], new Point(), new Date(0), error("e"), () => 1, { toString: () => "own" }, new (class { toString() { return "of its class"; } })(), Object.create(null) as object]; // prettier-ignore
    for (const place of ["%s", "%j", "%O", "%c", "%x", "%%"])
      // Node throws for a BigInt in JSON.
      for (const value of values.filter((one) => place !== "%j" || typeof one !== "bigint"))
        expect(format([`<${place}>`, value, "more"])).toBe(nodeFormat(`<${place}>`, value, "more"));
    for (const place of ["%d", "%i", "%f"])
      for (const value of values.slice(0, 10))
        expect(format([`<${place}>`, value])).toBe(nodeFormat(`<${place}>`, value));
  });

  it("takes any number of values", () => {
    for (const values of [
      [],
      ["%s"],
      ["%s %s", 1],
      ["100%", 1],
      ["a%%b"],
      ["a%%b", 1],
      [1, "%s", 2],
      ["a", "b", { c: 1 }],
      ["%s%", 1],
      ["%", "%"],
      [{ a: 1 }, "x"],
    ])
      expect(format(values)).toBe(nodeFormat(...values));
    expect(format(["%j", cycle])).toBe("[Circular]");
  });

  it("shows with %o what is hidden", () => {
    const values = [
      { a: [1, { b: 2 }] },
      [1, 2],
      () => 1,
      new Map([[1, 2]]),
      new Date(0),
      /x/g,
      "text",
      Uint8Array.of(1),
    ];
    for (const value of values) expect(format(["%o", value])).toBe(nodeFormat("%o", value));
  });
});

describe("the console", () => {
  const both = (use: (console: Console) => void): readonly [ours: string, node: string] => {
    const lines: string[] = [];
    let written = "";
    const output = new Writable({
      write(chunk: Buffer, _encoding, done) {
        written += chunk.toString();
        done();
      },
    });
    use(
      makeConsole(
        (line) => void lines.push(line),
        4_096,
        () => 0,
      ).console as unknown as Console,
    );
    use(new Console(output, output));
    return [lines.map((line) => `${line.replace(/^(?:warn|error|debug): /, "")}\n`).join(""), written];
  };

  it.each<readonly [string, (console: Console) => void]>([
    [
      "rows of objects",
      (console) =>
        console.table([
          { a: 1, b: "x" },
          { a: [1, 2], c: { d: { e: 1 } } },
        ]),
    ],
    ["chosen columns", (console) => console.table([{ a: 1, b: 2 }, 3], ["b", "z"])],
    ["primitives", (console) => console.table([1, "é", null])],
    ["both", (console) => console.table({ x: { a: 1 }, y: 2 })],
    ["a map", (console) => console.table(new Map([["k", { a: 1, b: 2, c: 3 }]]))],
    ["a set", (console) => console.table(new Set(["a"]))],
    ["no table", (console) => console.table("text")],
    ["nothing", (console) => console.table([])],
  ])("shows a table of %s as Node does", (_, use) => {
    const [ours, node] = both(use);
    expect(ours).toBe(node);
  });

  it("groups, counts and asserts as Node does", () => {
    const [ours, node] = both((console) => {
      console.group("outer %s", 1);
      console.info("two\nlines");
      console.group();
      console.warn({ a: 1 });
      console.groupEnd();
      console.count();
      console.count("x");
      console.count();
      console.countReset();
      console.count();
      console.groupEnd();
      console.groupEnd();
      console.error("out");
      console.assert(true, "no");
      console.assert(false, "yes %d", 1);
      console.assert(0);
      console.assert(null, { a: 1 });
      console.dir({ a: { b: { c: { d: 1 } } } }, { depth: 0 });
      console.debug("%o", [1]);
    });
    expect(ours).toBe(node);
  });

  it("times, and says which label it does not know", () => {
    const lines: string[] = [];
    let now = 0;
    const { console } = makeConsole(
      (line) => void lines.push(line),
      4_096,
      () => now,
    );
    console.time("t");
    console.time("t");
    now = 1.5;
    console.timeLog("t", { a: 1 });
    now = 2_500;
    console.timeLog("t");
    now = 3_723_004;
    console.timeEnd("t");
    console.timeEnd("t");
    console.countReset("c");
    expect(lines).toEqual([
      "warn: Label 't' already exists for console.time()",
      "t: 1.5ms { a: 1 }",
      "t: 2.500s",
      "t: 1:02:03.004 (h:mm:ss.mmm)",
      "warn: No such label 't' for console.timeEnd()",
      "warn: Count for 'c' does not exist",
    ]);
  });

  it("traces to the caller", () => {
    const lines: string[] = [];
    makeConsole(
      (line) => void lines.push(line),
      4_096,
      () => 0,
    ).console.trace("here %s", 1);
    expect(lines[0]).toMatch(/^debug: Trace: here 1\n    at .*inspect\.test\.ts:/);
  });
});
