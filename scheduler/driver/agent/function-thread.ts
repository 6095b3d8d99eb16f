// The thread of an agent on which the function runs, in plain Node. What the agent's own thread tells it and hears from it are the messages
// here; its heap is bounded by the thread's limits, and its end is the agent's.

import { AsyncLocalStorage } from "node:async_hooks";
import { registerHooks } from "node:module";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { TraceMap } from "@jridgewell/trace-mapping";
import { Compile } from "typebox/schema";
import type { Channel } from "#runtime/channel/channel.ts";
import { guestRedisOver } from "#runtime/channel/guest-redis-over.ts";
import type { RedisSource } from "#runtime/channel/redis-source.ts";
import { encodedBytes, type Operation } from "#runtime/channel/operation.ts";
import { StreamChannel } from "#runtime/channel/stream-channel.ts";
import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import type { FunctionDefinition, Log } from "#runtime/function/define.ts";
import { RESULT_BYTES_MAX } from "#runtime/function/description.ts";
import { splitSourceMap } from "#runtime/function/source-map.ts";
import { NO_USAGE, type Usage } from "#runtime/profile/sample.ts";
import { absenceHint } from "#runtime/sandbox/absence-hint.guest.ts";
import { authorStack } from "#runtime/sandbox/author-stack.guest.ts";
import { makeConsole, makeLog } from "#runtime/sandbox/console.guest.ts";
import { causesOf } from "#runtime/sandbox/error-causes.guest.ts";
import { findLoss } from "#runtime/sandbox/prelude-loss.guest.ts";
import { refusalOf } from "#runtime/sandbox/refusal.guest.ts";
import { mistakesText } from "#runtime/sandbox/schema-mistakes.guest.ts";
import { printableLine } from "./line-break.ts";

interface ThreadFunction {
  readonly name: string;
  readonly bundle: Uint8Array;
  readonly input: unknown;
  readonly output: unknown;
  readonly operations: number;
  readonly data: RedisSource | null;
}

export interface ThreadCall {
  readonly call: number;
  readonly keys: readonly string[];
  readonly argsJson: string;
  readonly logs: boolean;
}

export type ThreadMessage =
  | { readonly kind: "loaded" }
  | { readonly kind: "refused"; readonly message: string }
  | {
      readonly kind: "ended";
      readonly call: number;
      readonly outcome: ThreadOutcome;
      readonly usage: Usage;
      readonly logs: readonly string[];
    };

type ThreadOutcome =
  | { readonly ok: true; readonly resultJson: string }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly stack: string;
      readonly refusal?: string;
    };

/** Bytes of a call's log lines; what is more is left out. As in the sandbox. */
const LOG_BYTES_MAX = 64 * 1024;
const LINE_LENGTH_MAX = 4_096;
/** Of a message, and of a stack: what is more is cut off. `kErrorTextBytesMax` in runtime/native/lane.h. */
const ERROR_TEXT_BYTES_MAX = 16 * 1024;
/** What of a thrown value that is no error a message shows. As in the sandbox. */
const THROWN_LENGTH_MAX = 1_024;

/** Runs until the thread ends. */
export async function runThread(): Promise<void> {
  const port = parentPort as MessagePort;
  const given = workerData as ThreadFunction;
  const say = (message: ThreadMessage): void => port.postMessage(message);
  try {
    const definition = await load(given);
    const call = callerOf(definition, given);
    port.on("message", (asked: ThreadCall) => void call(asked).then(say));
    say({ kind: "loaded" });
  } catch (error) {
    say({ kind: "refused", message: error instanceof Error ? error.message : String(error) });
  }
}

/** A bundle imports nothing: it is loaded as if it lay in the root folder, and its source map leads to the author's files. */
async function load({ name, bundle }: ThreadFunction): Promise<FunctionDefinition> {
  const url = `file:///${name}.js`;
  registerHooks({
    resolve: (asked, context, next) => (asked === url ? { url, shortCircuit: true } : next(asked, context)),
    load: (asked, context, next) =>
      asked === url ? { format: "module", source: bundle, shortCircuit: true } : next(asked, context),
  });
  tellByAuthor(url, bundle);
  globalThis.console = guestConsole as unknown as Console;
  showOwnErrorsPlainly();
  const lone = new LoneRejections();
  const module = (await import(url)) as { readonly default?: FunctionDefinition };
  // Node tells of rejections at the end of a turn.
  await new Promise((resolve) => setImmediate(resolve));
  lone.endLoad();
  if (module.default?.kind !== "locus.function")
    throw new Error("the bundle's default export is no function definition");
  return module.default;
}

/**
 * Promises that were rejected and that nobody handled. While the bundle is loaded they refuse it; later each is a line of the
 * process log, as nobody knows whose call it was.
 */
class LoneRejections {
  #isLoading = true;
  #first: string | undefined;

  constructor() {
    process.on("unhandledRejection", (reason) => {
      const { message, stack } = thrownOf(reason);
      if (this.#isLoading) this.#first ??= message;
      else
        process.stderr.write(
          `error: a promise was rejected and nobody handled it: ${stack === "" ? message : stack}\n`,
        );
    });
  }

  endLoad(): void {
    this.#isLoading = false;
    if (this.#first === undefined) return;
    throw new Error(`a promise was rejected at a module's top level and nobody handled it: ${this.#first}`);
  }
}

/** Stacks have the author's files and lines, and no frames of Node or of ours: as in the sandbox. */
function tellByAuthor(url: string, bundle: Uint8Array): void {
  const [, mapJson] = splitSourceMap(Buffer.from(bundle).toString());
  let map: TraceMap | null | undefined = null;
  const isOurs = (frame: string): boolean => /^ {4}at .*\bnode:/.test(frame) || frame.includes(import.meta.url);
  Error.prepareStackTrace = (error, frames) => {
    map = map === null ? mapOf(mapJson) : map;
    // oxlint-disable-next-line typescript/no-base-to-string -- frames have their own
    const stack = [headOf(error), ...frames.map((frame) => `    at ${String(frame)}`)].join("\n");
    try {
      return authorStack(map, stack.replaceAll(url, "<function>"), isOurs);
    } catch {
      return authorStack(undefined, stack.replaceAll(url, "<function>"), isOurs);
    }
  };
}

/** undefined: it has none, or none that can be read: whoever made the bundle may have written anything. */
function mapOf(json: string): TraceMap | undefined {
  try {
    return json === "" ? undefined : new TraceMap(json);
  } catch {
    return undefined;
  }
}

/** An error may be of the function's own making; what operations reject with is a plain Error in the sandbox. */
function headOf(error: Error): string {
  if (error instanceof LocusError) return `Error: ${error.message}`;
  try {
    return String(error);
  } catch {
    return "Error";
  }
}

function callerOf(definition: FunctionDefinition, given: ThreadFunction) {
  const { run } = definition;
  const checkInput = checkOf("args", given.input);
  const checkOutput = checkOf("result", given.output);
  const channel = given.data === null ? NO_REDIS : new StreamChannel(given.data);
  let running = 0;
  return async ({ call, keys, argsJson, logs: wantsLogs }: ThreadCall): Promise<ThreadMessage> => {
    const [startedMs, cpuBefore] = [performance.now(), process.threadCpuUsage()];
    const counted = countOver(channel, given.operations);
    const logs = new CallLog(wantsLogs);
    if (running === 0) endGroups();
    running += 1;
    let outcome: ThreadOutcome;
    try {
      const args = argsOf(argsJson);
      refuse("ARGS_INVALID", checkInput(args));
      const invocation = { redis: guestRedisOver(counted), args, keys, log: logs.log };
      const result = await currentLog.run(logs, async () => run(invocation));
      const resultJson = resultJsonOf(result);
      refuse("RESULT_INVALID", checkOutput(result));
      outcome = { ok: true, resultJson };
    } catch (error) {
      outcome = failureOf(error);
    } finally {
      running -= 1;
    }
    const { user, system } = process.threadCpuUsage(cpuBefore);
    const [wallUs, cpuUs] = [(performance.now() - startedMs) * 1e3, user + system];
    const { operations, rounds, findableOperations, findableRounds, bytesOut, bytesIn } = counted;
    const sent = { operations, rounds, findableOperations, findableRounds, bytesOut, bytesIn };
    const waitUs = Math.max(0, wallUs - cpuUs);
    const usage = { ...NO_USAGE, wallUs, cpuUs, waitUs, ...sent };
    return { kind: "ended", call, outcome, usage, logs: logs.lines };
  };
}

/** What is wrong with a value by the schema; nothing where it fits, or there is no schema. */
function checkOf(what: string, schema: unknown): (value: unknown) => string | undefined {
  if (schema === null || schema === undefined) return () => undefined;
  const validator = Compile(schema);
  return (value) => {
    if (validator.Check(value)) return undefined;
    const [, findings] = validator.Errors(value);
    return findings.length > 0 ? mistakesText(what, findings) : `${what} does not fit the schema`;
  };
}

function refuse(code: ErrorCode, mistake: string | undefined): void {
  if (mistake !== undefined) throw new LocusError(code, mistake);
}

function argsOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new LocusError("ARGS_INVALID", `args are not JSON: ${(error as Error).message}`);
  }
}

function resultJsonOf(result: unknown): string {
  const json = jsonOf(result) ?? "null";
  const bytes = Buffer.byteLength(json);
  if (bytes <= RESULT_BYTES_MAX) return json;
  throw new LocusError("RESULT_TOO_LARGE", `the result has ${bytes} bytes; at most ${RESULT_BYTES_MAX} are allowed`);
}

/** Throws RESULT_INVALID, in the words of the sandbox. */
function jsonOf(result: unknown): string | undefined {
  let json: string | undefined;
  let thrown: string | undefined;
  try {
    json = JSON.stringify(result);
  } catch (error) {
    thrown = headOf(error as Error);
  }
  const loss = lossIn(result);
  const why = loss === undefined ? thrown : `result${loss}`;
  refuse("RESULT_INVALID", why === undefined ? undefined : `the result is not JSON: ${why}`);
  return json;
}

function lossIn(result: unknown): string | undefined {
  try {
    return findLoss(result);
  } catch {
    // It is cyclic, or too deep: JSON has said so.
    return undefined;
  }
}

function failureOf(error: unknown): ThreadOutcome {
  if (error instanceof LocusError) {
    return { ok: false, code: error.code, message: cut(error.message), stack: stackOf(error) };
  }
  const refusal = refusalOf(error);
  if (refusal !== undefined)
    return { ok: false, code: "CALL_REFUSED", message: cut((error as Error).message), stack: "", refusal };
  return { ok: false, code: "FUNCTION_FAILED", ...thrownOf(error) };
}

/** What the function threw, or rejected a promise with. */
function thrownOf(thrown: unknown): { readonly message: string; readonly stack: string } {
  if (!(thrown instanceof Error)) {
    return { message: `threw ${thrownText(thrown)}, which is no Error and so has no stack`, stack: "" };
  }
  const causes = causesOf(thrown, ownTitle);
  return {
    message: cut(headOf(thrown) + absenceHint(thrown) + causes.message),
    stack: cut(stackOf(thrown) + causes.stack),
  };
}

/** An error that an operation was refused with, as its function sees it in the sandbox. */
const ownTitle = (error: object): string | undefined => (error instanceof LocusError ? headOf(error) : undefined);

/** Of the function's own making as well: anything may stand there. */
function stackOf(error: Error): string {
  try {
    return typeof error.stack === "string" ? cut(error.stack) : "";
  } catch {
    return "";
  }
}

const cut = (text: string): string => {
  // A character has one byte at least.
  const bytes = Buffer.from(text.slice(0, ERROR_TEXT_BYTES_MAX));
  return bytes.length <= ERROR_TEXT_BYTES_MAX ? bytes.toString() : bytes.subarray(0, ERROR_TEXT_BYTES_MAX).toString();
};

function thrownText(thrown: unknown): string {
  if (typeof thrown === "function") return "a function";
  // oxlint-disable-next-line typescript/no-base-to-string -- it is none that has members
  if (typeof thrown !== "object") return String(thrown).slice(0, THROWN_LENGTH_MAX);
  try {
    return JSON.stringify(thrown).slice(0, THROWN_LENGTH_MAX);
  } catch {
    return "a value that has no text";
  }
}

const NO_REDIS: Channel = {
  send: () => Promise.reject(new LocusError("REDIS_UNAVAILABLE", "this instance was given no Redis")),
};

/** The channel, for one call: what it sends is counted, and bounded. */
function countOver(channel: Channel, operationsMax: number) {
  let unanswered = 0;
  const counted = {
    operations: 0,
    rounds: 0,
    findableOperations: 0,
    findableRounds: 0,
    bytesOut: 0,
    bytesIn: 0,
    async send(round: Parameters<Channel["send"]>[0]): Promise<Uint8Array> {
      counted.operations += round.length;
      if (counted.operations > operationsMax) {
        throw new LocusError("OPERATIONS_LIMIT", `the call sent more than ${operationsMax} operations`);
      }
      counted.rounds += 1;
      if (unanswered === 0 && round.every(isGet)) {
        counted.findableOperations += round.length;
        counted.findableRounds += 1;
      }
      for (const operation of round) counted.bytesOut += encodedBytes(operation);
      unanswered += 1;
      try {
        const replies = await channel.send(round);
        counted.bytesIn += replies.length;
        return replies;
      } finally {
        unanswered -= 1;
      }
    },
  };
  return counted;
}

/** What a read cache may answer, where one is. */
const isGet = ([name, ...args]: Operation): boolean =>
  typeof name === "string" && name.toLowerCase() === "get" && args.length === 1;

/** A call's own lines. They go to the process log in any case. */
class CallLog {
  readonly lines: string[] = [];
  readonly log: Log = makeLog((line) => this.write(line), LINE_LENGTH_MAX);
  readonly #isWanted: boolean;
  #bytes = 0;

  constructor(isWanted: boolean) {
    this.#isWanted = isWanted;
  }

  write(line: string): void {
    process.stderr.write(printableLine(line));
    this.#bytes += line.length;
    if (this.#isWanted && this.#bytes <= LOG_BYTES_MAX) this.lines.push(line);
  }
}

/** Lines of the console belong to the call whose code wrote them, as in the sandbox. */
const currentLog = new AsyncLocalStorage<CallLog>();

const { console: guestConsole, endGroups } = makeConsole(
  (line) => {
    const log = currentLog.getStore();
    if (log === undefined) process.stderr.write(printableLine(line));
    else log.write(line);
  },
  LINE_LENGTH_MAX,
  () => performance.now(),
);

/** What an operation was refused with is shown as in the sandbox, where it is a plain Error with a code. */
function showOwnErrorsPlainly(): void {
  Object.defineProperty(LocusError.prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: LocusError): Error {
      return Object.assign(new Error(this.message), { code: this.code, stack: stackOf(this) });
    },
  });
}
