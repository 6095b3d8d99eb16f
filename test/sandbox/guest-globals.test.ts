// The guest's globals: the documented list and nothing else, working as their standards say, and out of reach of each other.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ABSENT_GLOBALS } from "#runtime/sandbox/absence-hint.guest.ts";
import { GUEST_GLOBALS } from "#runtime/function/globals.ts";
import { bundleOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

describe.each(SIDE_NAMES)("the guest's globals on %s", (name) => {
  let side: TestSide;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  const evaluate = async (run: Parameters<typeof bundleOf>[0]) => (await side.deploy(bundleOf(run))).result();

  it("are the documented list, besides the language", async () => {
    const found = (await evaluate(() => Object.getOwnPropertyNames(globalThis))) as string[];
    const documented = new Set(GUEST_GLOBALS.map((global) => global.split(".")[0]));
    // A realm that is not Node's own, to see what V8 gives by itself.
    const { createContext, runInContext } = await import("node:vm");
    const language = new Set(runInContext("Object.getOwnPropertyNames(globalThis)", createContext()) as string[]);
    expect(found.filter((global) => !documented.has(global) && !language.has(global))).toEqual([]);
    for (const global of documented) expect(found).toContain(global);
  });

  it("convert text and bytes", async () => {
    const converted = await evaluate(() => {
      const bytes = new TextEncoder().encode("aé✓😀\ud800");
      const decoder = new TextDecoder();
      const streamed = [...bytes].map((byte) => decoder.decode(Uint8Array.of(byte), { stream: true })).join("");
      const fatal = (): string => {
        try {
          return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.of(0xff));
        } catch (error) {
          return (error as Error).name;
        }
      };
      return {
        bytes: Array.from(bytes),
        text: new TextDecoder().decode(bytes),
        streamed: streamed + decoder.decode(),
        bom: new TextDecoder().decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)),
        keptBom: new TextDecoder("utf8", { ignoreBOM: true }).decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)).length,
        fatal: fatal(),
        into: new TextEncoder().encodeInto("é✓", new Uint8Array(4)),
        base64: [btoa("héllo"), btoa("a"), btoa("ab"), atob("aOlsbG8="), atob(" YQ = =")],
      };
    });
    expect(converted).toEqual({
      bytes: [97, 0xc3, 0xa9, 0xe2, 0x9c, 0x93, 0xf0, 0x9f, 0x98, 0x80, 0xef, 0xbf, 0xbd],
      text: "aé✓😀\ufffd",
      streamed: "aé✓😀\ufffd",
      bom: "a",
      keptBom: 2,
      fatal: "TypeError",
      into: { read: 1, written: 2 },
      base64: ["aOlsbG8=", "YQ==", "YWI=", "héllo", "a"],
    });
  });

  it("read URLs", async () => {
    const read = await evaluate(() => {
      const url = new URL("../b?x=1&y=%20#z", "https://user:pw@exämple.org:8443/a/c");
      url.searchParams.append("q", "ü");
      return [url.href, url.host, new URLSearchParams({ a: "1 2" }).toString()];
    });
    expect(read).toEqual([
      "https://user:pw@xn--exmple-cua.org:8443/b?x=1&y=+&q=%C3%BC#z",
      "xn--exmple-cua.org:8443",
      "a=1+2",
    ]);
  });

  it("keep time", async () => {
    const timed = (await evaluate(async () => {
      const order: string[] = [];
      const started = performance.now();
      const sleep = (ms: number, what: string) =>
        new Promise<void>((resolve) => {
          setTimeout(
            (said: string) => {
              order.push(said);
              resolve();
            },
            ms,
            what,
          );
        });
      clearTimeout(setTimeout(() => order.push("never"), 1));
      queueMicrotask(() => order.push("microtask"));
      await Promise.all([sleep(30, "late"), sleep(10, "early"), sleep(0, "now")]);
      return { order, elapsed: performance.now() - started };
    })) as { order: string[]; elapsed: number };
    expect(timed.order).toEqual(["microtask", "now", "early", "late"]);
    expect(timed.elapsed).toBeGreaterThanOrEqual(29);
  });

  it("clone and draw lots", async () => {
    const made = (await evaluate(() => {
      const source = { when: new Date(0), map: new Map([["k", new Set([1])]]), bytes: Uint8Array.of(1, 2) };
      const copy = structuredClone(source);
      const random = crypto.getRandomValues(new Uint32Array(8));
      return {
        separate: copy !== source && copy.map !== source.map,
        when: copy.when.getTime(),
        set: [...copy.map.get("k")!],
        bytes: Array.from(copy.bytes),
        random: random.some((number) => number !== 0),
        uuid: crypto.randomUUID(),
      };
    })) as { uuid: string };
    expect(made).toMatchObject({ separate: true, when: 0, set: [1], bytes: [1, 2], random: true });
    expect(made.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("say in words of a page what cannot be cloned, and give transferred buffers away", async () => {
    const { result } = await side.deploy(
      bundleOf(() => {
        const refusal = (value: unknown, transfer: unknown[] = []): unknown[] => {
          try {
            return [typeof structuredClone(value, { transfer: transfer as never })];
          } catch (error) {
            const { name, code, message } = error as Error & { readonly code: number };
            return [error instanceof Error, name, code, message];
          }
        };
        const buffer = Uint8Array.of(1, 2, 3).buffer;
        const view = new Uint8Array(buffer, 1);
        const [clone, whole] = structuredClone([view, buffer], { transfer: [buffer] });
        const kept = new ArrayBuffer(4);
        const copy = structuredClone(kept, {});
        return {
          refused: [refusal(() => {}), refusal(1, [{}]), refusal(1, [buffer]), refusal(kept, [kept, kept])],
          clone: [...(clone as Uint8Array)],
          isShared: (clone as Uint8Array).buffer === whole,
          left: [buffer.detached, buffer.byteLength, view.length, kept.byteLength, copy.byteLength],
        };
      }),
    );
    const refused = (message: string): unknown[] => [true, "DataCloneError", 25, message];
    const held = "an array buffer that is detached, or belongs to WebAssembly, cannot be transferred";
    expect(await result()).toEqual({
      refused: [
        refused("() => {} could not be cloned."),
        refused("structuredClone transfers array buffers only"),
        refused(held),
        refused("an array buffer is transferred twice"),
      ],
      clone: [2, 3],
      isShared: true,
      left: [true, 0, 0, 4, 4],
    });
  });

  it("leave the names undefined that packages ask for before they use them", async () => {
    const names = Object.keys(ABSENT_GLOBALS);
    const { result } = await side.deploy(
      bundleOf(({ args }) => [
        ...(args as string[]).map((name) => typeof (globalThis as Readonly<Record<string, unknown>>)[name]),
        typeof fetch,
        typeof crypto.subtle,
      ]),
    );
    expect(await result({ args: names })).toEqual([...names, "fetch", "subtle"].map(() => "undefined"));
  });

  it("compile WebAssembly, and wait for nothing that never comes", async () => {
    const load = `
      const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
      const { Module, Instance } = WebAssembly;
      const loaded = await WebAssembly.compile(empty);
      const attempt = (promise) => promise.then(() => "made", (error) => error.constructor === WebAssembly.CompileError ? "CompileError" : error.name);
      async function compiled() {
        const { module, instance } = await WebAssembly.instantiate(empty.buffer, {});
        return [
          loaded instanceof Module,
          module instanceof Module,
          instance instanceof Instance,
          (await WebAssembly.instantiate(loaded)) instanceof Instance,
          await attempt(WebAssembly.compile(new Uint8Array([1]))),
          await attempt(WebAssembly.instantiate(new Uint8Array([1]))),
          await attempt(WebAssembly.instantiate()),
          typeof Atomics.waitAsync,
        ];
      }`;
    const { result } = await side.deploy(
      bundleOf(() => (globalThis as unknown as { compiled: () => unknown }).compiled(), {
        before: `${load}\nglobalThis.compiled = compiled;`,
      }),
    );
    expect(await result()).toEqual([true, true, true, true, "CompileError", "CompileError", "TypeError", "undefined"]);
  });

  it("give no way out of the realm", async () => {
    const found = await evaluate(({ redis, log }) => {
      const outside = (value: object): string =>
        String(
          (value.constructor as unknown as { constructor: (code: string) => () => unknown }).constructor(
            "return typeof process + typeof require",
          )(),
        );
      return [
        outside(redis),
        outside(log),
        outside(redis.get("k")),
        outside(console),
        typeof (globalThis as { ivm?: unknown }).ivm,
      ];
    });
    expect(found).toEqual([
      "undefinedundefined",
      "undefinedundefined",
      "undefinedundefined",
      "undefinedundefined",
      "undefined",
    ]);
  });

  it("cannot be poisoned for the next invocation of the function through redis", async () => {
    const { result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        const prototype = Object.getPrototypeOf(redis) as Record<string, unknown>;
        try {
          prototype["get"] = () => "stolen";
        } catch {
          // read-only
        }
        if (args === "first") await redis.set("poison", "clean");
        return await redis.get("poison");
      }),
    );
    expect(await result({ args: "first" })).toBe("clean");
    expect(await result()).toBe("clean");
  });
});
