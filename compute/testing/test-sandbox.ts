// What authors test their functions with, exported as `locus/testing`: a sandbox as a node has it, over values in memory or over a
// Redis of the test's own. It needs no node and no module in Redis, and deploys nothing.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Channel } from "#runtime/channel/channel.ts";
import { guestRedisOver } from "#runtime/channel/guest-redis-over.ts";
import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import { StreamChannel } from "#runtime/channel/stream-channel.ts";
import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";
import type { FunctionDefinition, GuestRedis } from "#runtime/function/define.ts";
import type { FunctionDescription } from "#runtime/function/description.ts";
import type { Usage } from "#runtime/profile/sample.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { DataSource, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { INSTALLATION } from "../cli/installation.ts";
import { redisSourceOf } from "../node/redis-connection.ts";
import { redisAtUrl } from "../redis-settings.ts";
import { callOptions, sandboxOptions, type TestCallOptions, type TestSandboxOptions } from "./options.ts";

/** Of all functions that are loaded; the one used longest ago makes room. Chosen: a test has few. */
const ISOLATES_MAX = 16;
/** Calls that wait; one more ends with OVERLOADED. */
const QUEUE_LENGTH_MAX = 1_000;
const CONNECTIONS = 2;

export type { TestCallOptions, TestSandboxOptions } from "./options.ts";

/** What came of a call, with what it used and its log lines. */
export type TestOutcome<Result> =
  | { readonly ok: true; readonly result: Result; readonly usage: Usage; readonly logs: readonly string[] }
  | { readonly ok: false; readonly error: TestFailure; readonly usage: Usage; readonly logs: readonly string[] };

export interface TestFailure {
  readonly code: ErrorCode;
  readonly message: string;
  /** With the author's files and lines; empty where the error has none. */
  readonly stack: string;
}

/** A function in the sandbox. What lies outside its `run` stays from one call to the next, as everywhere. */
export interface TestedFunction<Args, Result> {
  /** Name, version, limits and schemas, as they would be deployed. */
  readonly description: FunctionDescription;
  /** Its result, after JSON. Rejects where the call failed: `code` and `message` say why, `guestStack` where. */
  call(this: void, args: Args, options?: TestCallOptions): Promise<Result>;
  /** The same with all that is told of the call; never rejects for what the function does. */
  run(this: void, args: Args, options?: TestCallOptions): Promise<TestOutcome<Result>>;
}

type ArgsOf<Definition> = Definition extends FunctionDefinition<infer Args> ? Args : never;
type ResultOf<Definition> = Definition extends FunctionDefinition<never, infer Result> ? Result : never;

export interface TestSandbox extends AsyncDisposable {
  /** The functions' data, for the test itself: the methods that functions have. */
  readonly redis: GuestRedis;
  /**
   * Bundles and checks a source file as for a deployment, and rejects as that would: FUNCTION_INVALID, BUNDLE_TOO_LARGE. `file` is a
   * path, or the file's URL; `load<typeof definition>(…)` gives calls the types of the definition.
   */
  load<Definition extends FunctionDefinition<never> = FunctionDefinition>(
    file: string | { readonly href: string },
  ): Promise<TestedFunction<ArgsOf<Definition>, ResultOf<Definition>>>;
  /** Ends it, and calls in flight with it. Idempotent. */
  close(this: void): Promise<void>;
}

/**
 * Starts a sandbox host, which takes some tenths of a second; `close` ends it. Rejects with what stands in the way: CONFIG_INVALID,
 * REDIS_UNAVAILABLE, PERMISSION_DENIED, SIDE_UNAVAILABLE, or UNSUPPORTED_PLATFORM where its native parts are missing.
 */
export async function openTestSandbox(options: TestSandboxOptions = {}): Promise<TestSandbox> {
  const { redisUrl } = sandboxOptions(options);
  const data = redisUrl === undefined ? inMemory() : await inRedis(redisUrl);
  let supervisor: Supervisor | undefined;
  const close = async (): Promise<void> => {
    await supervisor?.close(0);
    data.close();
  };
  try {
    supervisor = await startSupervisor({
      ...data.from,
      isolatesMax: ISOLATES_MAX,
      queueLengthMax: QUEUE_LENGTH_MAX,
      nodePath: existsSync(INSTALLATION.moduleNode) ? INSTALLATION.moduleNode : process.execPath,
      // Each call's own lines come with its outcome.
      onLog: () => {},
    });
    await supervisor.ready();
  } catch (error) {
    await close();
    throw error;
  }
  const loading = supervisor;
  return {
    redis: guestRedisOver(data.channel),
    load: async (file) => testedFunction(loading, pathOf(file)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Where functions have their data, and the test's own way to it. */
interface TestData {
  readonly from: { readonly channel: Channel } | { readonly dataSource: DataSource };
  readonly channel: Channel;
  readonly close: () => void;
}

function inMemory(): TestData {
  const channel = new MemoryChannel();
  return { from: { channel }, channel, close() {} };
}

async function inRedis(url: string): Promise<TestData> {
  const source = redisSourceOf(...redisAt(url));
  const channel = new StreamChannel(source);
  try {
    await channel.send([["PING"]]);
  } catch (error) {
    channel.close();
    throw error;
  }
  return { from: { dataSource: { ...source, connections: CONNECTIONS } }, channel, close: () => channel.close() };
}

/** Throws CONFIG_INVALID. */
function redisAt(url: string): ReturnType<typeof redisAtUrl> {
  try {
    return redisAtUrl(url);
  } catch (cause) {
    // The URL may hold a password: it is not repeated.
    throw new LocusError("CONFIG_INVALID", `redisUrl: ${(cause as Error).message}`, { cause });
  }
}

/** Throws CONFIG_INVALID. */
function pathOf(file: string | { readonly href: string }): string {
  if (typeof file === "string") return file;
  try {
    return fileURLToPath(file.href);
  } catch (cause) {
    throw new LocusError("CONFIG_INVALID", `load takes a file's path or its URL: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function testedFunction<Args, Result>(
  supervisor: Supervisor,
  file: string,
): Promise<TestedFunction<Args, Result>> {
  const bundle = await bundleFunction(file);
  const description = await supervisor.check(bundle);
  const image = { description, bundle };
  const run = async (args: Args, options: TestCallOptions = {}): Promise<TestOutcome<Result>> => {
    const { keys = [], deadlineMs = description.limits.deadlineMs } = callOptions(options);
    const argsJson = jsonOf(args);
    const outcome = await supervisor.invoke({ image, keys, argsJson, deadlineMs, logs: true });
    if (!outcome.ok) return outcome;
    const { resultJson, usage, logs } = outcome;
    return { ok: true, result: JSON.parse(resultJson) as Result, usage, logs };
  };
  return {
    description,
    run,
    async call(args, options) {
      const outcome = await run(args, options);
      if (outcome.ok) return outcome.result;
      const { code, message, stack } = outcome.error;
      throw new LocusError(code, message, { guestStack: stack });
    },
  };
}

/** Throws ARGS_INVALID. */
function jsonOf(args: unknown): string {
  try {
    return JSON.stringify(args) ?? "null";
  } catch (cause) {
    throw new LocusError("ARGS_INVALID", `args cannot be sent as JSON: ${(cause as Error).message}`, { cause });
  }
}
