// Every isolate starts from a snapshot in which this has run in the guest's realm: it installs the guest globals
// (runtime/function/globals.ts) over the natives of runtime/native/guest_natives.cc, and gives the loop its hooks. It keeps
// what it needs of the language, so that a guest which redefines a built-in misleads only itself.

import { absenceHint } from "./absence-hint.guest.ts";
import { logLine, makeConsole, makeLog } from "./console.guest.ts";
import { causesOf } from "./error-causes.guest.ts";
import { installEncoding } from "./prelude-encoding.guest.ts";
import { findLoss } from "./prelude-loss.guest.ts";
import { refusalOf } from "./refusal.guest.ts";

/** What C++ offers. None of it is ever reachable from guest code. */
export interface Natives {
  makeRedis(token: number): object;
  settle(token: number, fulfilled: boolean, value: unknown): void;
  /** `null`: the invocation whose turn it is. False: there is none. */
  log(token: number | null, line: string): boolean;
  setTimer(callback: () => void, delayMs: number): number;
  clearTimer(id: number): void;
  /** ms since the isolate was opened, coarse. */
  now(): number;
  fillRandom(bytes: Uint8Array): void;
  encodeUtf8(text: string): Uint8Array;
  decodeUtf8(bytes: Uint8Array): string;
  /** Of `transfer`, array buffers only are taken. */
  clone(value: unknown, transfer: readonly unknown[]): unknown;
  compileUrl(): { readonly URL: unknown; readonly URLSearchParams: unknown };
  setRun(run: unknown): void;
}

/** What C++ calls. */
export interface Hooks {
  /** First, in each isolate. */
  opened(): void;
  begin(run: (invocation: object) => unknown, token: number, args: unknown, keys: string[]): Promise<void>;
  /** The place and kind of what JSON would leave out of a result. */
  findLoss(result: unknown): string | undefined;
  /** The texts that follow an error: advice about absent globals, causes, and what a CallerError says. */
  explain(thrown: unknown): readonly [message: string, stack: string, refusal: string];
  /** The JSON of a definition, functions shown as "function", and of its schemas, empty where there is none. */
  describe(definition: unknown): readonly [definition: string, input: string, output: string];
}

const RANDOM_BYTES_MAX = 65_536;
const LINE_LENGTH_MAX = 4_096;

const { stringify } = JSON;
const { freeze, defineProperty } = Object;
const { apply } = Reflect;
const SafePromise = Promise;
// oxlint-disable-next-line typescript/unbound-method -- called through Reflect.apply
const resolvedThen = Promise.prototype.then;

function define(name: string, value: unknown): void {
  defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

function installTimers(natives: Natives): void {
  define("setTimeout", (callback: unknown, delayMs?: unknown, ...args: unknown[]): number => {
    if (typeof callback !== "function") throw new TypeError("setTimeout needs a function");
    return natives.setTimer(() => apply(callback, undefined, args), Number(delayMs ?? 0));
  });
  define("clearTimeout", (id?: unknown): void => natives.clearTimer(Number(id)));
  define("queueMicrotask", (callback: unknown): void => {
    if (typeof callback !== "function") throw new TypeError("queueMicrotask needs a function");
    const run = (): void => {
      try {
        apply(callback, undefined, []);
      } catch (error) {
        const isTold = natives.log(null, logLine("error", ["uncaught in a microtask:", error], LINE_LENGTH_MAX));
        // The module is being loaded: a rejection that nobody handles ends that.
        if (!isTold) throw error;
      }
    };
    void apply(resolvedThen, SafePromise.resolve(), [run]);
  });
}

function installCrypto(natives: Natives): void {
  const bytesOf = (array: unknown): Uint8Array => {
    if (!ArrayBuffer.isView(array) || array instanceof DataView || array instanceof Float32Array) {
      throw new TypeError("getRandomValues needs an array of integers");
    }
    if (array instanceof Float64Array) throw new TypeError("getRandomValues needs an array of integers");
    if (array.byteLength > RANDOM_BYTES_MAX) {
      throw new RangeError(`getRandomValues fills at most ${RANDOM_BYTES_MAX} bytes, not ${array.byteLength}`);
    }
    return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  };
  const hex = "0123456789abcdef";
  define(
    "crypto",
    freeze({
      getRandomValues<T>(array: T): T {
        natives.fillRandom(bytesOf(array));
        return array;
      },
      /** Version 4 of RFC 9562. */
      randomUUID(): string {
        const bytes = new Uint8Array(16);
        natives.fillRandom(bytes);
        bytes[6] = (bytes[6]! & 0x0f) | 0x40;
        bytes[8] = (bytes[8]! & 0x3f) | 0x80;
        let text = "";
        for (let i = 0; i < 16; i++) {
          if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
          text += hex[bytes[i]! >> 4]! + hex[bytes[i]! & 15]!;
        }
        return text;
      },
    }),
  );
}

/** URL is a large program and few functions need it: compiled at first use. */
function installUrl(natives: Natives): void {
  for (const name of ["URL", "URLSearchParams"] as const) {
    defineProperty(globalThis, name, {
      configurable: true,
      get() {
        const compiled = natives.compileUrl();
        define("URL", compiled.URL);
        define("URLSearchParams", compiled.URLSearchParams);
        return compiled[name];
      },
      set: (value: unknown) => define(name, value),
    });
  }
}

interface CloneOptions {
  readonly transfer?: Iterable<unknown>;
}

interface WebAssemblyOfV8 {
  readonly Module: new (source: unknown, options?: unknown) => object;
  readonly Instance: new (module: unknown, imports?: unknown) => object;
  compile: unknown;
  instantiate: unknown;
}

/**
 * V8 compiles WebAssembly aside and would tell so in a task, and the loop runs none: promises over what compiles at once
 * take its place. V8 puts WebAssembly into no snapshot.
 */
function replaceWebAssembly(): void {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyOfV8 };
  const { Module, Instance } = WebAssembly;
  WebAssembly.compile = async (bytes: unknown, options?: unknown): Promise<object> => new Module(bytes, options);
  WebAssembly.instantiate = async (source: unknown, imports?: unknown, options?: unknown): Promise<object> => {
    if (source instanceof Module) return new Instance(source, imports);
    const module = new Module(source, options);
    return { module, instance: new Instance(module, imports) };
  };
}

/** Installs everything. It runs in the snapshot that isolates start from, so it must ask nothing of the moment. */
export default function prelude(natives: Natives): Hooks {
  const { console, endGroups } = makeConsole(
    (line) => void natives.log(null, line),
    LINE_LENGTH_MAX,
    () => natives.now(),
  );
  define("console", console);
  installTimers(natives);
  installCrypto(natives);
  installEncoding(natives, define);
  installUrl(natives);
  // It would wait for a task of V8, and the loop runs none.
  Reflect.deleteProperty((globalThis as unknown as { Atomics: object }).Atomics, "waitAsync");
  define("structuredClone", (...[value, options]: readonly [unknown, CloneOptions?]): unknown =>
    natives.clone(value, [...(options?.transfer ?? [])]),
  );
  define("performance", freeze({ now: (): number => natives.now() }));

  let running = 0;
  const begin = async (
    run: (invocation: object) => unknown,
    token: number,
    args: unknown,
    keys: string[],
  ): Promise<void> => {
    // A call that ended inside a group of the console must not indent the lines of all that follow.
    if (running === 0) endGroups();
    running += 1;
    try {
      const log = makeLog((line) => void natives.log(token, line), LINE_LENGTH_MAX);
      natives.settle(token, true, await run({ redis: natives.makeRedis(token), args, keys, log }));
    } catch (error) {
      natives.settle(token, false, error);
    } finally {
      running -= 1;
    }
  };
  return {
    opened: replaceWebAssembly,
    begin,
    findLoss: (result) => {
      const found = findLoss(result);
      return found === undefined ? undefined : `result${found}`;
    },
    explain: (thrown) => {
      const { message, stack } = causesOf(thrown);
      return [absenceHint(thrown) + message, stack, refusalOf(thrown) ?? ""];
    },
    describe: (definition) => {
      const { run, input, output } = (definition ?? {}) as Readonly<Record<string, unknown>>;
      if (typeof run === "function") natives.setRun(run);
      return [jsonOf(definition ?? null), schemaJson(input), schemaJson(output)];
    },
  };
}

const jsonOf = (value: unknown): string =>
  stringify(value, (_key, member: unknown) => (typeof member === "function" ? "function" : member)) ?? "null";
const schemaJson = (schema: unknown): string => (typeof schema === "object" && schema !== null ? jsonOf(schema) : "");
