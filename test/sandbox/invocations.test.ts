// What an invocation may expect of the sandbox, on every side: its life, its limits in time, its errors, its log.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { bundleFunction } from "#runtime/function/bundle.ts";
import type { Invocation } from "#runtime/function/define.ts";
import { bundleOf, errorOf, resultOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

/** A name that a function reaches for in vain. */
declare const notThere: unknown;

/** A function with such a schema for what comes in, or for what goes out, which is the same. */
const exploding = (which: "input" | "output"): string =>
  `export default { kind: "locus.function", name: "exploding-${which}-${process.pid}",
    ${which}: { type: "string", pattern: "^(a+)+$" }, run: ({ args }) => args };`;

describe.each(SIDE_NAMES)("an invocation on %s", (name) => {
  let side: TestSide;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  describe("is ended at its deadline", () => {
    it.each([
      [
        "when it spins",
        bundleOf(() => {
          for (;;);
        }),
      ],
      ["when it sleeps", bundleOf(() => new Promise((resolve) => setTimeout(resolve, 60_000)))],
      ["when it never settles", bundleOf(() => new Promise(() => {}))],
      [
        "when it floods the microtask queue",
        bundleOf(async () => {
          for (;;) await Promise.resolve();
        }),
      ],
      [
        "when what it has queued spins after it",
        bundleOf(() => {
          const spin = (): void => {
            for (;;);
          };
          for (let i = 0; i < 3; i++) queueMicrotask(spin);
          spin();
        }),
      ],
      ["when a regular expression explodes", bundleOf(() => /^(a+)+$/.test(`${"a".repeat(40)}b`))],
      [
        "when a getter spins while its result is taken",
        bundleOf(() => ({
          get slow() {
            for (;;);
          },
        })),
      ],
      [
        "when a toJSON spins",
        bundleOf(() => ({
          toJSON() {
            for (;;);
          },
        })),
      ],
      [
        "when a toJSON throws what spins",
        bundleOf(() => ({
          toJSON() {
            throw {
              get stack() {
                for (;;);
              },
            };
          },
        })),
      ],
      [
        "when a proxy in a log line spins",
        bundleOf(({ log }) =>
          log.info(
            "spins",
            new Proxy(
              {},
              {
                ownKeys() {
                  for (;;);
                },
              },
            ),
          ),
        ),
      ],
      [
        "when what it throws spins in every getter",
        bundleOf(() => {
          const spin = {
            get: () => {
              for (;;);
            },
          };
          throw Object.defineProperties({}, { stack: spin, message: spin, name: spin, toJSON: spin });
        }),
      ],
      [
        "when rejections that nobody handles spin",
        bundleOf(async () => {
          const lone = {
            get stack() {
              for (;;);
            },
          };
          for (let i = 0; i < 4; i++) void Promise.reject(lone);
          await new Promise(() => {});
        }),
      ],
      [
        "when Error.prepareStackTrace spins",
        bundleOf(() => {
          (Error as unknown as { prepareStackTrace: unknown }).prepareStackTrace = () => {
            for (;;);
          };
          throw new Error("never told");
        }),
      ],
      [
        "when what WebAssembly runs spins",
        bundleOf(() => {
          // Its types belong to browsers; the guest has it from V8.
          const { WebAssembly } = globalThis as unknown as {
            WebAssembly: {
              Module: new (bytes: Uint8Array) => object;
              Instance: new (module: object) => { exports: { spin: () => void } };
            };
          };
          const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0];
          // (func (export "spin") (loop (br 0)))
          const spin = [7, 8, 1, 4, 0x73, 0x70, 0x69, 0x6e, 0, 0, 10, 9, 1, 7, 0, 3, 0x40, 0x0c, 0, 0x0b, 0x0b];
          new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([...bytes, ...spin]))).exports.spin();
        }),
      ],
      [
        "when each of a thousand replies meets a getter that spins",
        bundleOf(async ({ redis }) => {
          await redis.hset("any", { a: "1" });
          const replies = Array.from({ length: 1_000 }, () => redis.hgetall("any"));
          // A promise looks for it in all that it is resolved with.
          // oxlint-disable-next-line unicorn/no-thenable, no-extend-native -- it is the attack
          Object.defineProperty(Object.prototype, "then", {
            get() {
              for (;;);
            },
          });
          await Promise.all(replies);
        }),
      ],
      [
        "when traps of its result spin",
        bundleOf(() => {
          const spin = (): never => {
            for (;;);
          };
          return new Proxy([], { get: spin, ownKeys: spin, getPrototypeOf: spin, has: spin });
        }),
      ],
      [
        "when timers without end fire one another",
        bundleOf(() => {
          const again = (): void => void setTimeout(again, 0);
          for (let i = 0; i < 100; i++) again();
          return new Promise(() => {});
        }),
      ],
      ["when a pattern of its input schema explodes", exploding("input")],
      ["when a pattern of its output schema explodes", exploding("output")],
      [
        "when it waits on a shared array for ever",
        bundleOf(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)),
      ],
    ])("%s, and the next one works in the same host", async (_how, bundle) => {
      const { outcome } = await side.deploy(bundle);
      const healthy = await side.deploy(bundleOf(() => "well"));
      expect(await healthy.result()).toBe("well");
      const hosts = await side.hostPids();
      for (const deadlineMs of [100, 50]) {
        const args = `${"a".repeat(40)}b`;
        expect(errorOf(await outcome({ args, deadlineMs })).code).toBe("DEADLINE_EXCEEDED");
      }
      // Its isolate has let go of it as well.
      await expect.poll(() => side.inFlight()).toBe(0);
      expect(await healthy.result()).toBe("well");
      expect(await side.hostPids()).toEqual(hosts);
    });

    it("with those of its isolate that settle in its turn, which fail", async () => {
      const { outcome } = await side.deploy(
        bundleOf<string>(async ({ args }) => {
          const shared = globalThis as { open?: () => void };
          if (args === "wait") {
            await new Promise<void>((resolve) => (shared.open = resolve));
            return {
              toJSON() {
                for (;;);
              },
            };
          }
          if (shared.open === undefined) return "in another isolate";
          shared.open();
          return await new Promise(() => {});
        }),
      );
      const waiting = outcome({ args: "wait", deadlineMs: 20_000 });
      await expect.poll(() => side.inFlight()).toBe(1);
      let opening = await outcome({ args: "open", deadlineMs: 200 });
      while (opening.ok) opening = await outcome({ args: "open", deadlineMs: 200 });
      expect(errorOf(opening).code).toBe("DEADLINE_EXCEEDED");
      expect(errorOf(await waiting)).toMatchObject({
        code: "FUNCTION_FAILED",
        message: "it ended in a turn of another invocation of its isolate, which had to be ended",
      });
    });

    it("while others of the same function go on", async () => {
      const { outcome, result } = await side.deploy(
        bundleOf<string>(async ({ redis, args }) => {
          if (args === "spin") for (;;);
          await new Promise((resolve) => setTimeout(resolve, 20));
          return await redis.set("going", "on");
        }),
      );
      const spinning = outcome({ args: "spin", deadlineMs: 60 });
      const others = Promise.all(Array.from({ length: 8 }, () => result()));
      expect(errorOf(await spinning).code).toBe("DEADLINE_EXCEEDED");
      expect(await others).toEqual(Array.from({ length: 8 }, () => "OK"));
    });

    it("by the function's own limit where the caller asks for more", async () => {
      const { outcome } = await side.deploy(bundleOf(() => new Promise(() => {}), { limits: { deadlineMs: 60 } }));
      expect(errorOf(await outcome({ deadlineMs: 60_000 })).code).toBe("DEADLINE_EXCEEDED");
    });
  });

  it("is ended when it computes for longer than its function may", async () => {
    const { outcome } = await side.deploy(
      bundleOf(
        () => {
          for (;;);
        },
        { limits: { cpuMs: 50 } },
      ),
    );
    expect(errorOf(await outcome()).code).toBe("CPU_LIMIT");
  });

  it("may have ten thousand timers, and no more", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<number>(async ({ args }) => {
        let fired = 0;
        const { promise, resolve } = Promise.withResolvers<number>();
        for (let i = 0; i < args; i++) setTimeout(() => ++fired === args && resolve(fired), 1);
        return await promise;
      }),
    );
    expect(await result({ args: 10_000 })).toBe(10_000);
    expect(errorOf(await outcome({ args: 1_000_000 }))).toMatchObject({
      code: "OPERATIONS_LIMIT",
      message: "too many timers at once",
    });
    expect(await result({ args: 10_000 })).toBe(10_000);
  });

  it("has timers that fire at once for a time that is none, and never too early for one without end", async () => {
    const { result } = await side.deploy(
      bundleOf(async () => {
        const order: string[] = [];
        const wait = (delay: unknown, name: string) =>
          new Promise<void>((resolve) => {
            setTimeout(() => {
              order.push(name);
              resolve();
            }, delay as number);
          });
        const endless = [1e300, Infinity, Number.MAX_SAFE_INTEGER].map((delay) => wait(delay, "endless"));
        const atOnce = [Number.NaN, -1, -Infinity, undefined, null, "x", {}, -0].map((delay) => wait(delay, "at once"));
        await Promise.race([...endless, Promise.all(atOnce).then(() => wait("20", "later"))]);
        for (const id of [0, -1, Number.NaN, 1e300, undefined, null, "1", {}]) clearTimeout(id as never);
        return order;
      }),
    );
    expect(await result()).toEqual([...Array.from({ length: 8 }, () => "at once"), "later"]);
  });

  it("keeps names that JavaScript has a use for, in args and in its result", async () => {
    const { outcome } = await side.deploy(
      bundleOf<Record<string, unknown>>(({ args }) => ({
        args,
        own: Object.keys(args),
        polluted: ({} as { polluted?: unknown }).polluted ?? null,
      })),
    );
    const argsJson =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":2,"hasOwnProperty":3,"then":4,"":5}';
    const ended = await outcome({ argsJson });
    expect(ended.ok ? ended.resultJson : ended.error).toBe(
      `{"args":${argsJson},"own":["__proto__","constructor","toString","hasOwnProperty","then",""],"polluted":null}`,
    );
  });

  it("takes args of as many names as there is room for", async () => {
    const { result } = await side.deploy(
      bundleOf<object>(({ args }) => [Object.keys(args).length, Object.keys(structuredClone(args)).length], {
        limits: { memoryMb: 256 },
      }),
    );
    const names = Array.from({ length: 90_000 }, (_, i) => `"${i.toString(36)}":0`);
    expect(await result({ argsJson: `{${names.join()}}` })).toEqual([90_000, 90_000]);
    const places = Array.from({ length: 60_000 }, (_, i) => `"${4_294_967_294 - i * 7}":0`);
    expect(await result({ argsJson: `{${places.join()}}` })).toEqual([60_000, 60_000]);
  });

  it("is ended at its limit also when it has thrown, and replies that come then meet a getter that spins", async () => {
    const { outcome } = await side.deploy(
      bundleOf(
        async ({ redis }) => {
          await redis.hset("any", { a: "1" });
          for (let i = 0; i < 5; i++) void redis.hgetall("any");
          // oxlint-disable-next-line unicorn/no-thenable, no-extend-native -- it is the attack
          Object.defineProperty(Object.prototype, "then", {
            get() {
              for (;;);
            },
          });
          throw new Error("before they came");
        },
        { limits: { cpuMs: 300, deadlineMs: 60_000 } },
      ),
    );
    expect(errorOf(await outcome({ deadlineMs: 60_000 }))).toMatchObject({ code: "CPU_LIMIT", stack: "" });
  });

  it("is ended when its many short turns come to more than its function may compute, and the next one works", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(
        async ({ redis, args }) => {
          if (args !== "compute") return "well";
          for (;;) {
            const until = performance.now() + 1;
            while (performance.now() < until);
            await redis.get("k");
          }
        },
        { limits: { cpuMs: 50 } },
      ),
    );
    const ended = await outcome({ args: "compute" });
    expect(errorOf(ended).code).toBe("CPU_LIMIT");
    expect(ended.usage.cpuUs).toBeGreaterThanOrEqual(50_000);
    expect(ended.usage.rounds).toBeGreaterThan(1);
    expect(await result()).toBe("well");
  });

  it("is ended when it issues more operations in one turn than it may, and the next one works", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<number>(
        async ({ redis, args }) => (await Promise.all(Array.from({ length: args }, () => redis.get("k")))).length,
        { limits: { operations: 10 } },
      ),
    );
    const ended = await outcome({ args: 11 });
    expect(errorOf(ended).code).toBe("OPERATIONS_LIMIT");
    expect(ended.usage.operations).toBeLessThanOrEqual(10);
    expect(await result({ args: 10 })).toBe(10);
  });

  it("is ended when it sends more operations than it may", async () => {
    const { outcome } = await side.deploy(
      bundleOf(
        async ({ redis }) => {
          for (let i = 0; i < 1_000; i++) {
            try {
              await redis.get("k");
            } catch {
              // a function cannot go on by not looking
            }
          }
        },
        { limits: { operations: 10 } },
      ),
    );
    const { error, usage } = await outcome().then((ended) => ({ error: errorOf(ended), usage: ended.usage }));
    expect(error.code).toBe("OPERATIONS_LIMIT");
    expect(usage.operations).toBe(10);
  });

  it("says how far it came by its deadline", async () => {
    const { outcome } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        await redis.get("k");
        if (args === "begin") return;
        if (args === "compute") for (;;);
        await new Promise(() => {});
      }),
    );
    const text =
      /^the function did not end before its deadline: it computed for ([\d.]+) ms and waited for ([\d.]+) ms, with 1 operation in 1 round$/;
    const progress = async (args: string): Promise<number[]> => {
      // Its isolate is there, and all of its time for the call.
      await outcome({ args: "begin" });
      // Whom nobody gave a core before its deadline was not as far.
      return vi.waitFor(async () => {
        const ended = await outcome({ args, deadlineMs: 500 });
        const { message } = errorOf(ended);
        expect(message).toMatch(text);
        const [, computed, waited] = text.exec(message) ?? [];
        // The text was made at the deadline, the usage when it had ended: tens of ms apart where nobody gives it a core.
        expect(ended.usage.cpuUs / 1e3).toBeCloseTo(Number(computed), -2);
        expect(ended.usage.waitUs / 1e3).toBeCloseTo(Number(waited), -2);
        return [Number(computed), Number(waited)];
      });
    };
    const [computedIdly, waited] = await progress("wait");
    expect(waited).toBeGreaterThan(computedIdly!);
    const [computed] = await progress("compute");
    expect(computed).toBeGreaterThan(computedIdly!);
  });

  it("tells in its log of rejections that nobody handled, and of no others", async () => {
    const { outcome } = await side.deploy(
      bundleOf<number>(async ({ redis, args }) => {
        const late = Promise.reject(new Error("handled later"));
        void redis.call("BLPOP", "k", 0);
        for (let i = 0; i < args; i++) void Promise.reject(`lone ${i}`);
        void (async () => {
          await redis.get("k");
          throw new RangeError("lost");
        })();
        await redis.get("k");
        await late.catch(() => {});
        await redis.get("k");
        return "done";
      }),
    );
    const intro = "error: a promise was rejected and nobody handled it: ";
    const few = await outcome({ args: 1, logs: true });
    expect(resultOf(few)).toBe("done");
    expect(few.logs).toEqual([
      expect.stringMatching(`^${intro}Error: BLPOP: functions may not block`),
      `${intro}threw lone 0, which is no Error and so has no stack`,
      expect.stringMatching(`^${intro}RangeError: lost\n    at `),
    ]);
    const many = await outcome({ args: 100, logs: true });
    expect(resultOf(many)).toBe("done");
    expect(many.logs.length).toBeGreaterThan(5);
    expect(many.logs.length).toBeLessThan(9);
  });

  it("says what import() of a computed name cannot do", async () => {
    const { outcome } = await side.deploy(
      `export default { kind: "locus.function", name: "importer", run: ({ args }) => import(args) };`,
    );
    const { message } = errorOf(await outcome({ args: "./more.ts" }));
    expect(message).toContain(
      'TypeError: cannot import "./more.ts": a function has only the modules that bundling found',
    );
  });

  it("tells what it threw", async () => {
    const thrown = async (run: () => unknown) => errorOf(await (await side.deploy(bundleOf(run))).outcome());
    expect(
      await thrown(() => {
        throw new TypeError("no such thing");
      }),
    ).toMatchObject({
      code: "FUNCTION_FAILED",
      message: "TypeError: no such thing",
    });
    expect(
      await thrown(() => {
        throw "text";
      }),
    ).toMatchObject({
      code: "FUNCTION_FAILED",
      message: "threw text, which is no Error and so has no stack",
      stack: "",
    });
    expect(
      await thrown(() => {
        throw { reason: "full", left: [1] };
      }),
    ).toMatchObject({ message: expect.stringContaining('threw {"reason":"full","left":[1]}, which is no Error') });
    expect(
      (
        await thrown(() => {
          throw null;
        })
      ).message,
    ).toContain("threw null");
    expect(
      (
        await thrown(() => {
          throw {
            get message() {
              throw new Error("again");
            },
          };
        })
      ).code,
    ).toBe("FUNCTION_FAILED");
    expect(
      (
        await thrown(async () => {
          await Promise.reject(new Error("later"));
        })
      ).message,
    ).toBe("Error: later");
  });

  it("tells what stands behind an error, in its message, its stack and its log", async () => {
    const causes = await side.deploy(
      bundleOf<string>(async ({ args, log }) => {
        const inner = (text: string): Error => new RangeError(text);
        if (args === "any") return await Promise.any([Promise.reject(inner("c")), Promise.reject("text")]);
        const error = new Error("a", { cause: new TypeError("b", { cause: { reason: "full" } }) });
        if (args === "throw") throw error;
        void Promise.reject(error);
        log.warn("met", error);
        return null;
      }),
    );
    const thrown = errorOf(await causes.outcome({ args: "throw" }));
    expect(thrown.message).toBe('Error: a [cause: TypeError: b [cause: {"reason":"full"}]]');
    expect(thrown.stack).toMatch(
      /^Error: a\n {4}at .*\n {2}\[cause\] TypeError: b\n {6}at [^]*\n {4}\[cause\] \{"reason"/,
    );
    const any = errorOf(await causes.outcome({ args: "any" }));
    expect(any.message).toBe('AggregateError: All promises were rejected [errors: RangeError: c; "text"]');
    expect(any.stack).toMatch(/\n {2}\[errors\] RangeError: c\n {6}at inner [^]*\n {2}\[errors\] "text"$/);
    const { logs } = await causes.outcome({ args: "log", logs: true });
    expect(logs).toEqual([
      expect.stringMatching(
        /^warn: met Error: a\n {4}at [^]*\n {2}\[cause\]: TypeError: b\n {6}at [^]* \{\n {4}\[cause\]: \{ reason/,
      ),
      expect.stringMatching(/nobody handled it: Error: a[^]*\n {2}\[cause\] TypeError: b/),
    ]);
  });

  it("refuses its caller with a CallerError, after the writes that it has issued", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "locus-refusing-")), "refusing.ts");
    onTestFinished(() => rmSync(dirname(file), { recursive: true }));
    writeFileSync(
      file,
      `import { CallerError, defineFunction } from "locus/function";
      export default defineFunction({
        name: "refusing-${name}",
        run({ redis, args }) {
          void redis.set("refused", "1");
          if (args === "wrong") throw new CallerError(200, "no");
          throw new CallerError(404, "there is no user 7", { user: 7 });
        },
      });`,
    );
    const { outcome } = await side.deploy(Buffer.from(await bundleFunction(file)).toString());
    const refused = { code: "CALL_REFUSED", message: "there is no user 7", stack: "" };
    expect(errorOf(await outcome())).toEqual({ ...refused, refusal: '{"status":404,"data":{"user":7}}' });
    expect(errorOf(await outcome({ args: "wrong" }))).toMatchObject({
      code: "FUNCTION_FAILED",
      message: "RangeError: the status of a CallerError must be an integer from 400 to 499, got 200",
    });
    const reader = await side.deploy(bundleOf(({ redis }) => redis.get("refused")));
    expect(await reader.result()).toBe("1");
  });

  it("bounds what stands behind an error, and is ended where reading it never ends", async () => {
    const { outcome } = await side.deploy(
      bundleOf<string>(({ args }) => {
        const error = new Error("a");
        const text = "x".repeat(100_000);
        if (args === "circle") error.cause = error;
        if (args === "wide") error.cause = new AggregateError(Array.from({ length: 100_000 }, () => new Error(text)));
        if (args === "spin")
          Object.defineProperty(error, "cause", {
            get: () => {
              for (;;);
            },
          });
        throw error;
      }),
    );
    expect(errorOf(await outcome({ args: "circle" })).message).toBe("Error: a [cause: circular]");
    const wide = errorOf(await outcome({ args: "wide" }));
    expect(Math.max(wide.message.length, wide.stack.length)).toBeLessThanOrEqual(16 * 1024);
    expect(wide.message).toMatch(/ 99985 more\]\]$/);
    expect(errorOf(await outcome({ args: "spin", deadlineMs: 300 })).code).toBe("DEADLINE_EXCEEDED");
  });

  it.each([
    ["a global", () => notThere, "notThere is not defined; docs/functions.md"],
    [
      "a global that was taken from globalThis",
      () => {
        const { fetch } = globalThis;
        return fetch("http://127.0.0.1");
      },
      "TypeError: fetch is not a function; a function has no network: have its caller fetch, and pass the data",
    ],
    [
      "a member of globalThis",
      () => (globalThis as never as { fetch: () => void }).fetch(),
      "globalThis.fetch is not a function; a function has no network",
    ],
    ["bytes of Node.js", () => Buffer.from("a"), "Buffer is not defined; use Uint8Array with TextEncoder"],
    ["a process", () => process.env["HOME"], "process is not defined; a function has no process and no environment"],
    [
      "cryptography",
      async () => await crypto.subtle.digest("SHA-256", new Uint8Array(1)),
      "reading 'digest'); if it is of crypto.subtle: functions have none, so import a package",
    ],
    [
      "a member of globalThis that is not known",
      () => (globalThis as never as { alert: () => void }).alert(),
      "globalThis.alert is not a function; docs/functions.md lists the globals",
    ],
    [
      "a method",
      ({ redis }: Invocation) => (redis as never as { scanStream: () => unknown }).scanStream(),
      "redis.scanStream is not a function; docs/commands.md lists the commands that functions may call",
    ],
    [
      "a method that is near another",
      ({ redis }: Invocation) => (redis as never as { hgetal: () => unknown }).hgetal(),
      "redis.hgetal is not a function; did you mean hgetall? docs/commands.md lists the commands",
    ],
    [
      "a method of other letters",
      ({ redis }: Invocation) => (redis as never as { hGetAll: () => unknown }).hGetAll(),
      "redis.hGetAll is not a function; did you mean hgetall? docs/commands.md lists",
    ],
    [
      "a command",
      ({ redis }: Invocation) => redis.call("nonsense"),
      "nonsense: not a command that functions may call; see docs/commands.md",
    ],
  ])("names the page that lists what there is instead of %s that is not there", async (_what, run, message) => {
    expect(errorOf(await (await side.deploy(bundleOf(run))).outcome()).message).toContain(message);
  });

  it("has the stack of the await that met an error of Redis", async () => {
    const { outcome } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        const push = async (): Promise<number> => await redis.lpush("text", "x");
        await redis.set("text", "x");
        if (args === "all") await Promise.all([redis.get("text"), push(), redis.get("text")]);
        if (args === "caught")
          return push().catch(({ name, stack }: Error) => ({ name, isPlaced: stack!.includes("at async push") }));
        await push();
        return undefined;
      }),
    );
    const message = "ReplyError: WRONGTYPE Operation against a key holding the wrong kind of value";
    const alone = errorOf(await outcome());
    expect(alone).toMatchObject({ code: "FUNCTION_FAILED", message });
    expect(alone.stack).toMatch(
      /^ReplyError: WRONGTYPE .*\n +at async push \(.*:\d+:\d+\)\n +at async .*run .*:\d+:\d+/,
    );
    expect(errorOf(await outcome({ args: "all" })).stack).toMatch(/at async push .*\n.*Promise\.all.*\n.*run/);
    expect(resultOf(await outcome({ args: "caught" }))).toEqual({ name: "ReplyError", isPlaced: true });
  });

  it("settles a round's operations in their order, errors among them", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        await redis.set("text", "x");
        const order: number[] = [];
        const note = (operation: Promise<unknown>, at: number) =>
          operation.then(
            () => order.push(at),
            () => order.push(-at),
          );
        await Promise.all(
          [redis.get("a"), redis.lpush("text", "x"), redis.get("a"), redis.lpush("text", "x"), redis.get("a")].map(
            (operation, at) => note(operation, at),
          ),
        );
        return order;
      }),
    );
    expect(await result()).toEqual([0, -1, 2, -3, 4]);
  });

  it("keeps half of a surrogate pair in JSON, and makes U+FFFD of it where bytes are made", async () => {
    const { outcome } = await side.deploy(
      bundleOf<string>(async ({ redis, args, log }) => {
        log.info(`half ${args}`);
        await redis.set(`key${args}`, `value${args}`);
        if (args === "\udc00") throw new Error(`no ${args}`);
        return { args, is: args === "\ud800", value: await redis.get("key\ufffd") };
      }),
    );
    const answered = await outcome({ argsJson: '"\\ud800"', logs: true });
    expect(answered).toMatchObject({ resultJson: expect.stringContaining('"args":"\\ud800"'), logs: ["half \ufffd"] });
    expect(resultOf(answered)).toEqual({ args: "\ud800", is: true, value: "value\ufffd" });
    expect(errorOf(await outcome({ argsJson: '"\\udc00"' })).message).toBe("Error: no \ufffd");
  });

  it("says what of its result is no JSON", async () => {
    const failing = async (run: () => unknown) => errorOf(await (await side.deploy(bundleOf(run))).outcome());
    const cyclic = await failing(() => {
      const a: { a?: unknown } = {};
      a.a = a;
      return a;
    });
    expect(cyclic.code).toBe("RESULT_INVALID");
    expect(cyclic.message).toMatch(/circular/);
    expect((await failing(() => 1n)).code).toBe("RESULT_INVALID");
    expect((await failing(() => "x".repeat(5 * 1024 * 1024))).code).toBe("RESULT_TOO_LARGE");
    const { result } = await side.deploy(bundleOf(() => undefined));
    expect(await result()).toBeNull();
  });

  it.each([
    ["a Map", () => ({ a: [1, { seen: new Map([[1, 2]]) }] }), "result.a[1].seen is a Map"],
    ["a Set", () => new Set([1]), "result is a Set"],
    ["bytes", () => ({ bytes: new Uint8Array([1, 2]) }), "result.bytes is an array of bytes"],
    ["a promise that was not awaited", ({ redis }: Invocation) => [redis.get("k")], "result[0] is a Promise: await it"],
    ["an error", () => ({ error: new TypeError("x") }), "result.error is an Error"],
    ["a BigInt", () => ({ n: { big: 1n } }), "result.n.big is a BigInt"],
    ["a function", () => () => 1, "result is a function"],
    ["a symbol", () => Symbol("x"), "result is a symbol"],
    ["a map's values", () => ({ list: new Map([[1, 2]]).values() }), "result.list is an iterable"],
    ["matches", () => ["x".matchAll(/x/g)], "result[0] is an iterable"],
    [
      "a generator",
      () =>
        (function* () {
          yield 1;
        })(),
      "result is an iterable",
    ],
    ["search parameters", () => ({ query: new URLSearchParams("a=1") }), "result.query is an iterable"],
    ["a WeakRef", () => ({ ref: new WeakRef({}) }), "result.ref is an object of the kind WeakRef"],
    ["nothing but functions", () => ({ api: { run: () => 1 } }), "result.api.run is a function"],
  ])("refuses a result of which JSON would lose %s, and names its place", async (_what, run, message) => {
    const error = errorOf(await (await side.deploy(bundleOf(run))).outcome());
    expect(error).toMatchObject({ code: "RESULT_INVALID", message: expect.stringContaining(message.split(":")[0]!) });
  });

  it("gives what JSON.stringify gives of all else", async () => {
    const { outcome } = await side.deploy(
      bundleOf(() => {
        class Point {
          x = 1;
          get y() {
            return 2;
          }
        }
        const own = Object.assign(new Map([[1, 2]]), { toJSON: () => "own" });
        const odd = {
          nan: Number.NaN,
          infinite: -Infinity,
          nothing: undefined,
          call: () => 1,
          holes: [undefined, () => 1],
        };
        return { ...odd, empty: {}, date: new Date(0), point: new Point(), own, zero: { 0: "{}" } };
      }),
    );
    expect(await outcome()).toMatchObject({
      resultJson:
        '{"nan":null,"infinite":null,"holes":[null,null],"empty":{},"date":"1970-01-01T00:00:00.000Z","point":{"x":1},"own":"own","zero":{"0":"{}"}}',
    });
  });

  it("can be cancelled", async () => {
    const { outcome } = await side.deploy(bundleOf(() => new Promise(() => {})));
    const controller = new AbortController();
    const ended = outcome({ signal: controller.signal, deadlineMs: 4_000 });
    await sleep(50);
    controller.abort();
    expect(errorOf(await ended).code).toBe("CANCELLED");
  });

  it("gives its log lines back when asked to, bounded", async () => {
    const { outcome } = await side.deploy(
      bundleOf(({ log, args }) => {
        console.log("first", { a: 1 });
        log.warn("second", [1, 2]);
        for (let i = 0; i < (args as number); i++) log.info("x".repeat(1_000));
      }),
    );
    expect((await outcome({ args: 0, logs: true })).logs).toEqual(["first { a: 1 }", "warn: second [ 1, 2 ]"]);
    expect((await outcome({ args: 0 })).logs).toEqual([]);
    const flood = (await outcome({ args: 10_000, logs: true })).logs;
    expect(flood.join("\n").length).toBeLessThan(70_000);
    // Each line is there or counted.
    const [, dropped] = /^… (\d+) more lines were dropped$/.exec(flood.at(-1) ?? "") ?? [];
    expect(flood.length - 1 + Number(dropped)).toBe(10_002);
  });

  it("checks args against schemas that name themselves, and takes no member for there that is not", async () => {
    const deploy = (what: string, input: object) =>
      side.deploy(
        `export default { kind: "locus.function", name: "${what}-${name}", input: ${JSON.stringify(input)}, run: () => "fits" };`,
      );
    const messageOf = async (of: Awaited<ReturnType<typeof deploy>>, args: unknown): Promise<unknown> => {
      const ended = await of.outcome({ args });
      return ended.ok ? "fits" : ended.error.message;
    };
    const next = (to: string): object => ({ type: "object", properties: { next: { $ref: to } } });
    for (const [what, input] of [
      ["lists", next("#")],
      ["nodes", { $defs: { node: next("#/$defs/node") }, $ref: "#/$defs/node" }],
    ] as const) {
      const list = await deploy(what, input);
      expect(await messageOf(list, { next: { next: {} } })).toBe("fits");
      expect(await messageOf(list, { next: { next: 1 } })).toBe("args.next.next must be an object");
    }
    const text = { type: "string" };
    const named = await deploy("named", {
      type: "object",
      properties: { valueOf: text, own: { type: "object", required: ["toString"] } },
    });
    expect(await messageOf(named, { own: { toString: 1 } })).toBe("fits");
    expect(await messageOf(named, { own: {} })).toBe("args.own must have toString");
    expect(await messageOf(named, { valueOf: 1 })).toBe("args.valueOf must be a string");
  });

  it("checks args and results against the schemas", async () => {
    const { outcome, result } = await side.deploy(
      `export default { kind: "locus.function", name: "schemas-${name}",
        input: { type: "object", required: ["n"], properties: { n: { type: "integer" } } },
        output: { type: "string" },
        run: ({ args }) => (args.n > 0 ? "positive" : args.n) };`,
    );
    expect(await result({ args: { n: 1 } })).toBe("positive");
    const wrongInput = errorOf(await outcome({ args: { n: "one" } }));
    expect(wrongInput).toMatchObject({ code: "ARGS_INVALID", message: "args.n must be an integer" });
    expect(errorOf(await outcome({ args: {} })).code).toBe("ARGS_INVALID");
    expect(errorOf(await outcome({ args: { n: 0 } }))).toMatchObject({
      code: "RESULT_INVALID",
      message: "the result must be a string",
    });
  });

  it("counts what it used", async () => {
    const { outcome } = await side.deploy(
      bundleOf(async ({ redis }) => {
        await redis.set("counted", "0123456789");
        return await redis.get("counted");
      }),
    );
    const { usage } = await outcome();
    expect(usage).toMatchObject({ operations: 2, rounds: 2 });
    expect(usage.bytesOut).toBe(
      "*3\r\n$3\r\nset\r\n$7\r\ncounted\r\n$10\r\n0123456789\r\n*2\r\n$3\r\nget\r\n$7\r\ncounted\r\n".length,
    );
    expect(usage.bytesIn).toBe("+OK\r\n$10\r\n0123456789\r\n".length);
    expect(usage.wallUs).toBeGreaterThan(usage.cpuUs);
    expect(usage.lockUs > 0).toBe(name === "storage");
  });

  it("shares its isolate with no more than its function's concurrency", async () => {
    const overlapping = (concurrency: number) =>
      side.deploy(
        bundleOf(
          async () => {
            const shared = globalThis as { running?: number; most?: number };
            shared.running = (shared.running ?? 0) + 1;
            shared.most = Math.max(shared.most ?? 0, shared.running);
            await new Promise((resolve) => setTimeout(resolve, 100));
            shared.running--;
            return shared.most;
          },
          { limits: { concurrency } },
        ),
      );
    const most = async (concurrency: number): Promise<number> => {
      const { result } = await overlapping(concurrency);
      const seen = (await Promise.all(Array.from({ length: 24 }, () => result()))) as number[];
      return Math.max(...seen);
    };
    expect(await most(1)).toBe(1);
    expect(await most(4)).toBe(4);
  });

  it("costs no processor while it sleeps, and neither does an idle isolate", async () => {
    const { result } = await side.deploy(
      bundleOf<number>(({ args }) => new Promise((resolve) => setTimeout(resolve, args, "slept"))),
    );
    // Its isolate is there.
    await result({ args: 0 });
    const [pid] = await side.hostPids();
    // User and system time of all threads, in ticks of a hundredth of a second.
    const ticks = (): number => {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
      return Number(fields[11]) + Number(fields[12]);
    };
    const sleeping = result({ args: 1_500 });
    await sleep(300);
    const before = ticks();
    await sleep(1_000);
    // The watchdog's and the engine's own threads take a tick now and then; a loop that polls takes a hundred.
    expect(ticks() - before).toBeLessThan(10);
    expect(await sleeping).toBe("slept");
  });
});
