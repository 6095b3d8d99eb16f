import { describe, expect, it } from "vitest";

import { findLoss } from "./prelude-loss.guest.ts";

function* generator(): Generator<number> {
  yield 1;
}
async function* asyncGenerator(): AsyncGenerator<number> {
  yield 1;
}

describe("what JSON would lose of a result", () => {
  it.each([
    ["a generator", generator(), "an iterable"],
    ["an asynchronous generator", asyncGenerator(), "an asynchronous iterable"],
    ["an array's iterator", [1].values(), "an iterable"],
    ["a map's values", new Map([[1, 2]]).values(), "an iterable"],
    ["a map's keys", new Map([[1, 2]]).keys(), "an iterable"],
    ["a set's entries", new Set([1]).entries(), "an iterable"],
    ["a text's iterator", "x"[Symbol.iterator](), "an iterable"],
    ["matches", "x".matchAll(/x/g), "an iterable"],
    ["an iterator helper", [1].values().map(String), "an iterable"],
    ["a wrapped iterator", Iterator.from({ next: () => ({ done: true, value: 1 }) }), "an iterable"],
    ["segments", new Intl.Segmenter().segment("x"), "an iterable"],
    ["search parameters", new URLSearchParams("a=1"), "an iterable"],
    ["a Map", new Map(), "a Map"],
    ["a proxy of a Map", new Proxy(new Map(), {}), "a Map"],
    ["a Set", new Set(), "a Set"],
    ["a WeakMap", new WeakMap(), "a WeakMap"],
    ["a WeakSet", new WeakSet(), "a WeakSet"],
    ["a WeakRef", new WeakRef({}), "an object of the kind WeakRef"],
    ["a FinalizationRegistry", new FinalizationRegistry(() => {}), "an object of the kind FinalizationRegistry"],
    ["a Promise", Promise.resolve(), "a Promise"],
    ["an Error", new Error("x"), "an Error"],
    ["a RegExp", /x/, "a RegExp"],
    ["an ArrayBuffer", new ArrayBuffer(1), "an ArrayBuffer"],
    ["a SharedArrayBuffer", new SharedArrayBuffer(1), "an object of the kind SharedArrayBuffer"],
    ["a DataView", new DataView(new ArrayBuffer(1)), "an array of bytes"],
    ["a boxed symbol", Object(Symbol("x")), "an object of the kind Symbol"],
    ["a number's format", new Intl.NumberFormat("en"), "an object of the kind Intl.NumberFormat"],
    ["an object of nothing but functions", { run: () => 1 }, "a function", ".run"],
    ["an object of nothing but symbols", { of: Symbol("x") }, "a symbol", ".of"],
  ])("is found with its place: %s", (_what, value, is, within = "") => {
    expect(findLoss({ a: [{ seen: value }] })).toMatch(new RegExp(`^\\.a\\[0\\]\\.seen${within} is ${is}\\b`));
  });

  it("is all of a function and of a symbol", () => {
    expect(findLoss(() => 1)).toBe(" is a function: call it");
    expect(findLoss(Symbol("x"))).toMatch(/^ is a symbol/);
  });

  it.each([
    [{}],
    [Object.create(null)],
    [{ a: undefined }],
    [Object.create({ isPoint: true })],
    [new Date(0)],
    [Object("text")],
    [Object("")],
    [Object.assign(new Error("refused"), { code: "WRONG_TYPE" })],
    [Object.assign(new Map(), { count: 1 })],
    [Object(1)],
    [Object(true)],
    [{ run: () => 1, x: 1 }],
    [[() => 1, Symbol("x")]],
    [new URL("https://a.example")],
    [Object.assign(new Map(), { toJSON: () => 1 })],
  ])("is nothing of %o", (value) => {
    expect(findLoss(value)).toBeUndefined();
  });
});
