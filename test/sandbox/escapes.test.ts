// The ways out that were found in isolated-vm, in vm2 and in other sandboxes of this kind, each tried on every side: the
// door must be shut, and whatever a guest breaks must be its own.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleOf, errorOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

describe.each(SIDE_NAMES)("guest code on %s", (name) => {
  let side: TestSide;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  const evaluate = async (run: Parameters<typeof bundleOf>[0]) => (await side.deploy(bundleOf(run))).result();

  it("reaches no object of another realm, however far it looks", async () => {
    const found = (await evaluate(async (invocation) => {
      const { redis } = invocation;
      const error = await redis.call("NOSUCH").catch((thrown: unknown) => thrown);
      const refused = await redis.get("locus:x").catch((thrown: unknown) => thrown);
      const roots = [
        globalThis,
        invocation,
        error,
        refused,
        redis.get("k"),
        await redis.getBuffer("k"),
        await redis.hgetall("k"),
      ];
      const foreign: string[] = [];
      const seen = new Set<unknown>();
      const queue: [unknown, string][] = roots.map((root, i) => [root, `root ${i}`]);
      while (queue.length > 0) {
        const [value, path] = queue.pop()!;
        if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
        seen.add(value);
        let prototype: unknown = value;
        for (;;) {
          const next: unknown = Object.getPrototypeOf(prototype);
          if (next === null) break;
          prototype = next;
        }
        const own = prototype === Object.prototype || prototype === value;
        // A function whose constructor makes code in another realm would be the way out.
        const made = typeof value === "function" ? Object.getPrototypeOf(value) : undefined;
        if (!own) foreign.push(path);
        if (
          typeof value === "function" &&
          made !== null &&
          !(value instanceof Function) &&
          value !== Function.prototype
        )
          foreign.push(`${path} (function)`);
        for (const key of Reflect.ownKeys(value)) {
          const property = Object.getOwnPropertyDescriptor(value, key)!;
          for (const part of [property.value, property.get, property.set]) queue.push([part, `${path}.${String(key)}`]);
        }
        queue.push([Object.getPrototypeOf(value), `${path}.__proto__`]);
      }
      return { foreign, seen: seen.size };
    })) as { foreign: string[]; seen: number };
    expect(found.foreign).toEqual([]);
    expect(found.seen).toBeGreaterThan(1_000);
  });

  it("finds no way to Node", async () => {
    const found = await evaluate(async () => {
      const attempt = async (code: string): Promise<string> => {
        try {
          return typeof (await (new Function(`return ${code}`)() as unknown));
        } catch (error) {
          return (error as Error).name;
        }
      };
      return [
        await attempt("process"),
        await attempt("require('fs')"),
        await attempt("globalThis.constructor.constructor('return process')()"),
        await attempt("import('node:fs')"),
        await attempt("import.meta"),
        await attempt("ivm"),
        await attempt("Deno"),
        await attempt("fetch"),
        await attempt("SharedArrayBuffer && Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)"),
      ];
    });
    expect(found).toEqual([
      "ReferenceError",
      "ReferenceError",
      "ReferenceError",
      "TypeError",
      "SyntaxError",
      "ReferenceError",
      "ReferenceError",
      "ReferenceError",
      "string",
    ]);
  });

  it("gets no live object of locus from a stack trace", async () => {
    const found = await evaluate(async ({ redis, log }) => {
      const live: string[] = [];
      const own: object[] = [];
      const prepare = (_error: Error, sites: any[]): string => {
        for (const site of sites) {
          for (const look of ["getThis", "getFunction"]) {
            const value: unknown = site[look]();
            if (typeof value === "function" && value !== mine && value !== captured)
              live.push(`${look} ${String(value).slice(0, 40)}`);
            if (typeof value === "object" && value !== null && value !== globalThis && !own.includes(value))
              live.push(`${look} object`);
          }
        }
        return "prepared";
      };
      (Error as unknown as { prepareStackTrace: unknown }).prepareStackTrace = prepare;
      function mine(): string {
        return new Error("look").stack ?? "";
      }
      mine();
      // Not strict, and so allowed to see who called it: with locus' own code below.
      const captured = new Function(
        "const own = {}; Error.captureStackTrace(own); return String(own.stack);",
      ) as () => string;
      live.push(...[captured(), mine()].filter((stack) => stack !== "prepared"));
      own.push({ toJSON: captured }, { valueOf: captured });
      own.push(Object.defineProperty({}, "captured", { enumerable: true, get: captured }));
      log.info("captured", own[0]);
      setTimeout(() => {}, own[1] as never);
      structuredClone(own[2]);
      await redis.call("NOSUCH").catch((error: Error) => error.stack);
      await redis.get("k").then(() => new Error("later").stack);
      const overflow = (): number => 1 + overflow();
      try {
        overflow();
      } catch (error) {
        void (error as Error).stack;
      }
      return live;
    });
    expect(found).toEqual([]);
  });

  it("gets errors of its own realm even where the stack is exhausted inside a native call", async () => {
    const found = await evaluate(async ({ redis }) => {
      const kinds = new Set<string>();
      const dive = (depth: number): void => {
        try {
          void redis.get("k").catch(() => {});
          new TextEncoder().encode("x");
          structuredClone({});
          dive(depth + 1);
        } catch (error) {
          kinds.add(String(error instanceof Error && Object.getPrototypeOf(Object.getPrototypeOf(error)) !== null));
        }
      };
      dive(0);
      await redis.get("k");
      return [...kinds];
    });
    expect(found).toEqual(["true"]);
  });

  it("gets errors of its own realm whichever way they take to it", async () => {
    const found = await evaluate(async ({ redis }) => {
      const errors: Error[] = [];
      const note = (error: unknown): void => void errors.push(error as Error);
      // What a promise of ours takes for its own kind.
      class Fake {
        constructor(executor: (resolve: unknown, reject: unknown) => void) {
          executor(() => {}, note);
        }
      }
      const refused = redis.call("NOSUCH");
      (refused as { constructor: unknown }).constructor = { [Symbol.species]: Fake };
      void refused.then(note);
      // Thenables, and iterators that wait.
      const thenable = { then: (...both: [never, never]) => redis.get("locus:x").then(...both) };
      await Promise.resolve(thenable).catch(note);
      const iterable = { [Symbol.asyncIterator]: () => ({ next: () => redis.get("locus:x") }) };
      try {
        for await (const value of iterable as never as AsyncIterable<unknown>) note(value);
      } catch (error) {
        note(error);
      }
      const dive = (): never => {
        structuredClone({});
        new TextEncoder().encode("x");
        return dive();
      };
      const generator = (async function* () {
        yield 1;
      })();
      const deep = Object.defineProperty({}, "then", { get: dive });
      await generator.return(deep as never).catch(note);
      // WebAssembly catches what JavaScript throws, without any JavaScript in between: (func (result externref)
      //   (block (result externref) (try_table (catch $tag 0) (call $throws)) (ref.null extern)))
      const { WebAssembly } = globalThis as unknown as {
        WebAssembly: {
          JSTag: unknown;
          Module: new (bytes: Uint8Array) => object;
          Instance: new (module: object, imports: object) => { exports: { caught: () => unknown } };
        };
      };
      const name = (text: string): number[] => [text.length, ...new TextEncoder().encode(text)];
      const section = (id: number, ...bytes: number[]): number[] => [id, bytes.length, ...bytes];
      const module = new WebAssembly.Module(
        new Uint8Array([
          ...new TextEncoder().encode("\0asm\u0001\0\0\0"),
          ...section(1, 3, 0x60, 0, 0, 0x60, 1, 0x6f, 0, 0x60, 0, 1, 0x6f),
          ...section(2, 2, ...name("m"), ...name("throws"), 0, 0, ...name("m"), ...name("tag"), 4, 0, 1),
          ...section(3, 1, 2),
          ...section(7, 1, ...name("caught"), 0, 1),
          ...section(10, 1, 16, 0, 2, 0x6f, 0x1f, 0x40, 1, 0, 0, 0, 0x10, 0, 0x0b, 0xd0, 0x6f, 0x0b, 0x0b),
        ]),
      );
      for (const throws of [
        () => void setTimeout("x" as never),
        () => void structuredClone(() => {}),
        () => void (redis as never as { multi: () => unknown }).multi(),
      ]) {
        note(new WebAssembly.Instance(module, { m: { throws, tag: WebAssembly.JSTag } }).exports.caught());
      }
      await redis.get("k");
      return errors.map((error) => {
        const make = error.constructor.constructor as (code: string) => () => unknown;
        return [error instanceof Error, make("return typeof process + typeof require")()];
      });
    });
    expect(found).toEqual(Array.from({ length: 7 }, () => [true, "undefinedundefined"]));
  });

  it("that wants a text of a gigabyte in pieces fails alone", async () => {
    const before = await side.hostPids();
    // oxlint-disable-next-line typescript/no-misused-spread -- it was found so
    const { outcome } = await side.deploy(bundleOf(() => [...".".repeat(1e9)].length));
    expect(errorOf(await outcome())).toMatchObject({
      code: "FUNCTION_FAILED",
      message: "RangeError: Invalid string length",
    });
    expect(await side.hostPids()).toEqual(before);
  });

  it("cannot forge a redis of another invocation", async () => {
    const found = await evaluate(async ({ redis }) => {
      const attempts: string[] = [];
      const Redis = redis.constructor as unknown as new () => typeof redis;
      const attempt = async (what: () => unknown): Promise<void> => {
        try {
          attempts.push(String(await what()));
        } catch (error) {
          attempts.push((error as Error).name + ((error as { code?: string }).code ?? ""));
        }
      };
      await attempt(() => new Redis().get("k"));
      await attempt(() => (Object.create(redis) as typeof redis).get("k"));
      await attempt(() => redis.get.call({} as never, "k"));
      await attempt(() => Reflect.construct(redis.get, ["k"]));
      return attempts;
    });
    expect(found).toEqual(["ErrorCANCELLED", "TypeError", "TypeError", "TypeError"]);
  });

  it("cannot make one operation of another by what its arguments do while they are taken", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(
        async ({ redis, args }) => {
          /** A list whose only item is told by a function. */
          const told = (tell: () => string): string[] => Object.defineProperty([""], 0, { get: tell });
          if (args === "too many") {
            const nest = (): string => {
              void redis.echo(told(nest) as never).catch(() => {});
              return "deeper";
            };
            void redis.echo(told(nest) as never).catch(() => {});
            return await new Promise(() => {});
          }
          await redis.mset("kept", "here", "count", "0");
          const inner: Promise<unknown>[] = [];
          const during = (issue: () => Promise<unknown>): void =>
            void inner.push(issue().catch((error: { code?: string }) => error.code));
          // What may not be called, with its last word from an operation that may.
          const flushed = await redis.echo(
            told(() => {
              during(() => redis.call("FLUSHALL"));
              return "ASYNC";
            }) as never,
          );
          const own = await redis.echo(
            told(() => {
              during(() => redis.get("locus:x"));
              return "1";
            }) as never,
          );
          // A write within a read, and within another write.
          const read = await redis.mget(
            told(() => {
              during(() => redis.incr("count"));
              return "kept";
            }),
          );
          const fields = await redis.hset("fields", {
            get a() {
              during(() => redis.rpush("list", "x", "y"));
              return "1";
            },
            b: "2",
          });
          const all = [
            await redis.hgetall("fields"),
            await redis.lrange("list", 0, -1),
            await redis.mget("kept", "count"),
          ];
          return { flushed, own, read, fields, inner: await Promise.all(inner), all };
        },
        { limits: { operations: 100 } },
      ),
    );
    expect(await result({ args: "each" })).toEqual({
      flushed: "ASYNC",
      own: "1",
      read: ["here"],
      fields: 2,
      inner: ["COMMAND_REFUSED", "COMMAND_REFUSED", 1, 2],
      all: [{ a: "1", b: "2" }, ["x", "y"], ["here", "1"]],
    });
    const { error, usage } = await outcome({ args: "too many" }).then((ended) => ({
      error: errorOf(ended),
      usage: ended.usage,
    }));
    expect(error.code).toBe("OPERATIONS_LIMIT");
    expect(usage.operations).toBeLessThanOrEqual(100);
    expect(await side.redis?.get("kept")).toBe(side.redis === undefined ? undefined : "here");
  });

  it("cannot bring down the host with hostile objects where text is expected", async () => {
    const hostile = await side.deploy(
      bundleOf<string>(async ({ redis, args, log }) => {
        const nasty = new Proxy(() => "", {
          get: (_target, key) => {
            if (key === Symbol.toPrimitive)
              return () => {
                throw new Error("no text");
              };
            throw new Error(`looked at ${String(key)}`);
          },
          getPrototypeOf: () => {
            throw new Error("no prototype");
          },
          ownKeys: () => {
            throw new Error("no keys");
          },
        }) as never;
        switch (args) {
          case "argument":
            return await redis.set("k", nasty);
          case "nested":
            return await redis.mset({
              get k(): string {
                throw new Error("getter");
              },
            });
          case "log":
            log.info(nasty, {
              toJSON() {
                throw new Error("toJSON");
              },
            });
            return "logged";
          case "throw":
            throw nasty;
          case "throw inspect":
            throw {
              [Symbol.for("nodejs.util.inspect.custom")]: () => "escaped",
              toString: () => {
                throw new Error("x");
              },
            };
          case "result":
            return nasty;
          case "then":
            return {
              get then() {
                throw new Error("then");
              },
            };
          default:
            return null;
        }
      }),
    );
    for (const args of ["argument", "nested", "throw", "throw inspect", "then"]) {
      expect(errorOf(await hostile.outcome({ args })).code).toBe("FUNCTION_FAILED");
    }
    expect(["RESULT_INVALID", "FUNCTION_FAILED"]).toContain(errorOf(await hostile.outcome({ args: "result" })).code);
    expect(await hostile.result({ args: "log" })).toBe("logged");
  });

  it("sees its own bytes alone through buffers that shrink, grow, are detached or shared", async () => {
    const before = await side.hostPids();
    const found = await evaluate(async ({ redis }) => {
      const viewOf = (buffer: unknown, ...place: number[]): Uint8Array<ArrayBuffer> =>
        new Uint8Array(buffer as ArrayBuffer, ...place).fill(97);
      const textOf = (view: Uint8Array): string => String.fromCharCode(...view);
      /** A view, and what becomes of its buffer. */
      const kinds: Record<string, () => readonly [Uint8Array<ArrayBuffer>, () => void]> = {
        shrunk() {
          const buffer = new ArrayBuffer(8, { maxByteLength: 2 ** 20 });
          return [viewOf(buffer), () => buffer.resize(2)];
        },
        grown() {
          const buffer = new ArrayBuffer(8, { maxByteLength: 2 ** 20 });
          return [viewOf(buffer), () => buffer.resize(12)];
        },
        "out of bounds"() {
          const buffer = new ArrayBuffer(8, { maxByteLength: 2 ** 20 });
          return [viewOf(buffer, 4, 4), () => buffer.resize(2)];
        },
        "and back"() {
          const buffer = new ArrayBuffer(8, { maxByteLength: 2 ** 20 });
          return [viewOf(buffer, 4, 4), () => [0, 8].forEach((bytes) => buffer.resize(bytes))];
        },
        detached() {
          const buffer = new ArrayBuffer(2 ** 20);
          return [viewOf(buffer, 4, 8), () => buffer.transfer()];
        },
        shared: () => [viewOf(new SharedArrayBuffer(8)), () => {}],
        "shared and grown"() {
          const buffer = new SharedArrayBuffer(8, { maxByteLength: 2 ** 20 });
          return [viewOf(buffer), () => buffer.grow(12)];
        },
      };
      /** After the change, or with the change in the midst of it. */
      const uses: readonly ((view: Uint8Array<ArrayBuffer>, change: () => void) => unknown)[] = [
        async (view, change) => {
          change();
          await redis.set("seen", view);
          return await redis.get("seen");
        },
        async (view, change) => {
          await redis.del("seen list");
          await redis.rpush("seen list", Object.defineProperty([view, ""], 1, { get: () => (change(), "") }));
          return await redis.lindex("seen list", 0);
        },
        async (view, change) => {
          await redis.del("seen list");
          await redis.rpush("seen list", Object.defineProperty(["", view], 0, { get: () => (change(), "") }));
          return await redis.lindex("seen list", 1);
        },
        (view, change) => {
          change();
          return new TextDecoder().decode(view);
        },
        (view, change) =>
          new TextDecoder().decode(view, {
            get stream() {
              change();
              return false;
            },
          }),
        (view, change) => {
          change();
          return crypto.getRandomValues(view).length;
        },
        (view, change) => {
          change();
          return textOf(structuredClone(view));
        },
        (view, change) =>
          textOf(structuredClone(Object.defineProperty({ view }, "late", { enumerable: true, get: change })).view),
      ];
      const seen: Record<string, unknown[]> = {};
      for (const [kind, make] of Object.entries(kinds)) {
        const outcomes: unknown[] = (seen[kind] = []);
        for (const use of uses) {
          try {
            outcomes.push(await use(...make()));
          } catch (error) {
            outcomes.push(error instanceof Error ? error.name : "another realm's");
          }
        }
      }
      return seen;
    });
    expect(found).toEqual({
      shrunk: ["aa", "aaaaaaaa", "aa", "aa", "TypeError", 2, "aa", "aaaaaaaa"],
      grown: [
        "aaaaaaaa\0\0\0\0",
        "aaaaaaaa",
        "aaaaaaaa\0\0\0\0",
        "aaaaaaaa\0\0\0\0",
        "aaaaaaaa",
        12,
        "aaaaaaaa\0\0\0\0",
        "aaaaaaaa",
      ],
      "out of bounds": ["", "aaaa", "", "", "TypeError", 0, "DataCloneError", "aaaa"],
      "and back": ["\0\0\0\0", "aaaa", "\0\0\0\0", "\0\0\0\0", "\0\0\0\0", 4, "\0\0\0\0", "aaaa"],
      detached: ["", "aaaaaaaa", "", "TypeError", "TypeError", "TypeError", "DataCloneError", "aaaaaaaa"],
      shared: ["aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "aaaaaaaa", 8, "Error", "Error"],
      "shared and grown": [
        "aaaaaaaa\0\0\0\0",
        "aaaaaaaa",
        "aaaaaaaa\0\0\0\0",
        "aaaaaaaa\0\0\0\0",
        "aaaaaaaa",
        12,
        "Error",
        "Error",
      ],
    });
    expect(await side.hostPids()).toEqual(before);
  });

  it("that pollutes what it shares breaks at most itself", async () => {
    const polluter = await side.deploy(
      bundleOf<string>(async ({ redis, args, keys, log }) => {
        if (args === "pollute") {
          const steal = (): never => {
            throw new Error("polluted");
          };
          Promise.prototype.then = steal;
          Array.prototype.push = steal;
          JSON.stringify = steal;
          JSON.parse = steal;
          Object.freeze = steal;
          Reflect.apply = steal;
          Function.prototype.call = steal;
          String.prototype.slice = steal;
          for (const field of ["redis", "args", "keys", "log", "0", "then"]) {
            Object.defineProperty(Object.prototype, field, {
              configurable: true,
              get: field === "then" ? () => undefined : steal,
              set: steal,
            });
          }
          Array.prototype[Symbol.iterator] = steal;
          (globalThis as { Promise: unknown }).Promise = class {};
          return "polluted";
        }
        log.info("still here");
        await redis.set("after", keys[0] ?? "");
        const all = await redis.hgetall("none");
        return [await redis.get("after"), Object.keys(all).length];
      }),
    );
    const clean = await side.deploy(
      bundleOf(async ({ redis }) => [await redis.set("clean", "1"), [1, 2].map((n) => n + 1)]),
    );
    expect(await polluter.result({ args: "pollute" })).toBe("polluted");
    for (let i = 0; i < 8; i++) {
      expect(await polluter.result({ args: "use", keys: [`key ${i}`] })).toEqual([`key ${i}`, 0]);
    }
    expect(await clean.result()).toEqual(["OK", [2, 3]]);
  });

  it("that replaces any part of the language deceives nobody but itself", async () => {
    const before = await side.hostPids();
    const { result } = await side.deploy(
      bundleOf(
        async ({ redis, log }) => {
          const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Object;
          const { ownKeys } = Reflect;
          const bytes = new Uint8Array(8);
          const pairs = new Map([["a", "1"]]);
          /** All that C++ has to do with. */
          const uses: (() => unknown)[] = [
            () => new TextEncoder().encode("é"),
            () => new TextEncoder().encode({} as never),
            () => new TextEncoder().encodeInto("é", bytes),
            () => new TextDecoder("utf8", { fatal: true }).decode(bytes),
            () => structuredClone({ a: [1] }),
            () => crypto.getRandomValues(bytes),
            () => crypto.randomUUID(),
            () => clearTimeout(setTimeout(() => {}, "5" as never)),
            () => queueMicrotask(() => {}),
            () => performance.now(),
            () => log.info({ a: 1 } as never, new Error("b"), Symbol("c")),
            () => redis.exists(["a", new Uint8Array(1)], "b"),
            () => redis.hset("h", pairs),
          ];
          const lies: (() => unknown)[] = [() => 7, () => ({}), () => Symbol("lie"), () => undefined, () => [[]]];
          const holders: object[] = [globalThis];
          for (const name of ownKeys(globalThis)) {
            const value = (globalThis as never as Record<PropertyKey, unknown>)[name];
            if (value === globalThis || ((typeof value !== "object" || value === null) && typeof value !== "function"))
              continue;
            holders.push(value);
            const { prototype } = value as { readonly prototype?: unknown };
            if (typeof prototype === "object" && prototype !== null) holders.push(prototype);
          }
          holders.push(getPrototypeOf(redis) as object, getPrototypeOf(bytes.constructor.prototype) as object);
          let replaced = 0;
          for (let h = 0; h < holders.length; h++) {
            const holder = holders[h]!;
            const names = ownKeys(holder);
            for (let n = 0; n < names.length; n++) {
              const was = getOwnPropertyDescriptor(holder, names[n]!)!;
              if (!was.configurable) continue;
              for (let l = 0; l < lies.length; l++) {
                const lie = lies[l]!;
                defineProperty(
                  holder,
                  names[n]!,
                  was.get === undefined
                    ? { value: lie, writable: true, enumerable: false, configurable: true }
                    : { get: lie, set: lie, enumerable: false, configurable: true },
                );
                replaced++;
                for (let u = 0; u < uses.length; u++) {
                  try {
                    uses[u]!();
                  } catch {
                    // Whatever it is, it is the guest's own.
                  }
                }
                defineProperty(holder, names[n]!, was);
              }
            }
          }
          return replaced;
        },
        { limits: { deadlineMs: 60_000, cpuMs: 60_000, memoryMb: 512, operations: 10_000_000 } },
      ),
    );
    expect(await result({ deadlineMs: 60_000 })).toBeGreaterThan(1_000);
    expect(await side.hostPids()).toEqual(before);
  });

  it("cannot cost its host by what goes on when its isolate has closed", async () => {
    const [before] = await side.hostPids();
    const { deaths } = await side.toll();
    const functions = Array.from({ length: 24 }, () =>
      side.deploy(
        bundleOf(async () => {
          // V8 tells it what was collected when the isolate's thread has nothing else to do.
          await new Promise((resolve) => {
            const registry = new FinalizationRegistry(resolve);
            (globalThis as { registry?: unknown }).registry = registry;
            for (let i = 0; i < 1_000; i++) registry.register({ i }, i);
            for (let i = 0; i < 50; i++) new Uint8Array(4 * 2 ** 20).fill(1);
          });
        }),
      ),
    );
    // More than the host has lanes: each makes room for another.
    for (const each of functions) await (await each).outcome({ deadlineMs: 100 });
    for (let i = 0; i < 24; i++) {
      const { result } = await side.deploy(bundleOf(() => "well"));
      expect(await result()).toBe("well");
    }
    expect((await side.toll()).deaths).toBe(deaths);
    expect((await side.hostPids())[0]).toBe(before);
  });

  it("cannot use the redis of an invocation that has ended", async () => {
    const { result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        const shared = globalThis as { kept?: typeof redis };
        if (args === "keep") {
          shared.kept = redis;
          return "kept";
        }
        if (shared.kept === undefined) return "another isolate";
        return await shared.kept.get("k").catch((error: { code?: string }) => error.code);
      }),
    );
    expect(await result({ args: "keep" })).toBe("kept");
    expect(await result({ args: "use" })).toBe("CANCELLED");
  });
});
