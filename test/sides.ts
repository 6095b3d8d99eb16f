// The same function on every channel: what the contract tests run over. `memory` and `socket` are the compute side's
// supervisor over a map and over a plain Redis; `storage` is the sandbox host of the module in Redis.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import type { Channel } from "#runtime/channel/channel.ts";
import { COMMAND_ROWS } from "#runtime/channel/command-rows.ts";
import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import type { Operation } from "#runtime/channel/operation.ts";
import type { ErrorCode } from "#runtime/errors.ts";
import type { FunctionDescription, Limits } from "#runtime/function/description.ts";
import type { Invocation } from "#runtime/function/define.ts";
import type { Usage } from "#runtime/profile/sample.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { FunctionImage, GuestError, Outcome, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { readInfo } from "#test/module-info.ts";
import { PATIENT } from "./patient-limits.ts";
import { startRedisServer, type RedisServer } from "./redis-server.ts";

export type SideName = "memory" | "socket" | "storage";

/** The storage side needs the module; a checkout that has not built it tests the others. */
const moduleIsBuilt = existsSync(join(import.meta.dirname, "..", "build", "locus.so"));
export const SIDE_NAMES: readonly SideName[] = moduleIsBuilt ? ["memory", "socket", "storage"] : ["memory", "socket"];

interface CallOptions {
  readonly args?: unknown;
  /** Instead of `args`: JSON text as it is. */
  readonly argsJson?: string;
  readonly keys?: readonly string[];
  readonly deadlineMs?: number;
  readonly logs?: boolean;
  readonly signal?: AbortSignal;
}

/** A function deployed on a side. */
export interface Deployed {
  readonly description: FunctionDescription;
  readonly outcome: (options?: CallOptions) => Promise<Outcome>;
  /** Its result; throws when the outcome is an error. */
  readonly result: (options?: CallOptions) => Promise<unknown>;
}

/** What a side tells of hosts that ended, since it began. */
interface Toll {
  readonly deaths: number;
  readonly killedForMemory: number;
  readonly killedForTime: number;
  readonly reruns: number;
  /** Times that a function was sent to quarantine, and that one left it. */
  readonly quarantined: number;
  readonly released: number;
  /** Whether there is a host of a function that cost one. */
  readonly hasQuarantineHost: boolean;
}

export interface TestSide {
  readonly name: SideName;
  /** A client of the same data; none for the memory channel. */
  readonly redis: Redis | undefined;
  /** PIDs of the sandbox hosts. */
  hostPids(): Promise<readonly number[]>;
  /** Calls that are queued or in an isolate, those included whose caller has its answer already. */
  inFlight(): Promise<number>;
  toll(): Promise<Toll>;
  /** From now on writes are not answered, and reads are; what it gives lets them go on. */
  holdWrites(): Promise<() => Promise<void>>;
  deploy(bundle: Uint8Array | string): Promise<Deployed>;
  close(): Promise<void>;
}

let functions = 0;

/** A bundle of one function, patient unless its limits say otherwise. `run` is written inside a test and sent as text: it sees nothing of the test's own scope. `before` is text that stands before the definition. */
export function bundleOf<Args = unknown>(
  run: (invocation: Invocation<Args>) => unknown,
  options: { readonly limits?: Partial<Limits>; readonly before?: string } = {},
): string {
  const name = `test-${process.pid}-${++functions}`;
  const limits = JSON.stringify({ ...PATIENT, ...options.limits });
  const definition = `{ kind: "locus.function", name: "${name}", limits: ${limits}, run: ${run.toString()} }`;
  return `${options.before ?? ""}\nexport default ${definition};\n`;
}

export const resultOf = (outcome: Outcome): unknown => {
  if (outcome.ok) return JSON.parse(outcome.resultJson) as unknown;
  throw new Error(`${outcome.error.code}: ${outcome.error.message}\n${outcome.error.stack}`);
};

export const errorOf = (outcome: Outcome): GuestError => {
  if (!outcome.ok) return outcome.error;
  throw new Error(`expected an error, got ${outcome.resultJson}`);
};

export async function startSide(name: SideName): Promise<TestSide> {
  return name === "storage" ? await startStorageSide() : await startComputeSide(name);
}

const deployed = (description: FunctionDescription, outcome: (options: CallOptions) => Promise<Outcome>): Deployed => ({
  description,
  outcome: (options = {}) => outcome(options),
  result: async (options = {}) => resultOf(await outcome(options)),
});

const argsJsonOf = (options: CallOptions): string => options.argsJson ?? JSON.stringify(options.args ?? null);

async function startComputeSide(name: "memory" | "socket"): Promise<TestSide> {
  const server = name === "socket" ? await startRedisServer({ moduleArguments: null }) : undefined;
  const bounds = { isolatesMax: 16, queueLengthMax: 1_000, onLog: () => {} };
  const memory = new PausableChannel();
  const supervisor: Supervisor = await startSupervisor(
    server === undefined
      ? { ...bounds, channel: memory }
      : { ...bounds, dataSource: { host: "", port: 0, path: server.path, database: 0, connections: 2 } },
  );
  await supervisor.ready();
  return {
    name,
    redis: server?.client(),
    hostPids: async () => supervisor.state().hosts.map((host) => host.pid),
    inFlight: async () => supervisor.state().inFlight,
    async toll() {
      const { hosts, deaths, killedForMemory, killedForTime, reruns, quarantined, released } = supervisor.state();
      const hasQuarantineHost = hosts.some((host) => host.quarantine && host.state !== "gone");
      return { deaths, killedForMemory, killedForTime, reruns, quarantined, released, hasQuarantineHost };
    },
    holdWrites: () => (server === undefined ? Promise.resolve(memory.pause()) : pauseWrites(server.client())),
    async deploy(bundle) {
      const bytes = Buffer.from(bundle as string);
      const description = await supervisor.check(bytes);
      const image: FunctionImage = { description, bundle: bytes };
      return deployed(description, (options) =>
        supervisor.invoke(
          {
            image,
            keys: options.keys ?? [],
            argsJson: argsJsonOf(options),
            deadlineMs: options.deadlineMs ?? description.limits.deadlineMs,
            logs: options.logs ?? false,
          },
          options.signal,
        ),
      );
    },
    async close() {
      await supervisor.close(0);
      await server?.close();
    },
  };
}

/** A map whose writes can wait, as Redis' do while clients are paused. */
class PausableChannel implements Channel {
  readonly #memory = new MemoryChannel();
  #paused: Promise<void> | null = null;

  pause(): () => Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#paused = promise;
    return async () => {
      this.#paused = null;
      resolve();
    };
  }

  async send(round: readonly Operation[]): Promise<Uint8Array> {
    if (!round.every(([name = ""]) => READS.has(Buffer.from(name as Uint8Array).toString()))) await this.#paused;
    return this.#memory.send(round);
  }
}

const READS = new Set(
  COMMAND_ROWS.flatMap((row) => (row.standing === "allowed" && row.access === "read" ? [row.name] : [])),
);

async function pauseWrites(redis: Redis): Promise<() => Promise<void>> {
  await redis.client("PAUSE", 60_000, "WRITE");
  return async () => void (await redis.client("UNPAUSE"));
}

async function startStorageSide(): Promise<TestSide> {
  const server = await startRedisServer();
  const redis = server.client();
  const calls: Redis[] = [];
  // A connection per call in flight: a blocked client's next commands wait behind it.
  const withConnection = async <T>(use: (connection: Redis) => Promise<T>): Promise<T> => {
    const connection = calls.pop() ?? server.client();
    try {
      return await use(connection);
    } finally {
      calls.push(connection);
    }
  };
  let ids = 0;
  return {
    name: "storage",
    redis,
    hostPids: async () => hostsOf(await readInfo(redis)).map((host) => Number(/^pid=(\d+)/.exec(host)?.[1])),
    inFlight: async () => Number((await readInfo(redis)).get("calls_in_flight")),
    async toll() {
      const info = await readInfo(redis);
      const count = (name: string): number => Number(info.get(name));
      return {
        deaths: count("host_deaths"),
        killedForMemory: count("hosts_killed_for_memory"),
        killedForTime: count("hosts_killed_for_time"),
        reruns: count("calls_run_again"),
        quarantined: count("quarantines"),
        released: count("quarantines_left"),
        hasQuarantineHost: hostsOf(info).some(
          (host) => !host.includes("state=gone") && host.endsWith("quarantine=yes"),
        ),
      };
    },
    holdWrites: () => pauseWrites(redis),
    async deploy(bundle) {
      const [name] = (await redis.call("LOCUS.FUNCTION", "LOAD", bundle as string)) as [string];
      const description = await describe(redis, name);
      return deployed(description, (options) =>
        withConnection(async (connection) => {
          const id = `test-${++ids}`;
          const onAbort = (): void => void redis.call("LOCUS.NODE", "CANCEL", id);
          options.signal?.addEventListener("abort", onAbort, { once: true });
          const asked = { deadlineMs: options.deadlineMs, logs: options.logs ?? false, id };
          const keys = options.keys ?? [];
          const run = [name, "*", keys.length, ...keys, JSON.stringify(asked), argsJsonOf(options)];
          try {
            return outcomeOf((await connection.call("LOCUS.NODE", "RUN", ...run)) as string[]);
          } finally {
            options.signal?.removeEventListener("abort", onAbort);
          }
        }),
      );
    },
    close: () => closeServer(server),
  };
}

const hostsOf = (info: ReadonlyMap<string, string>): readonly string[] =>
  [...info].flatMap(([name, value]) => (/^host\d+$/.test(name) ? [value] : []));

const closeServer = (server: RedisServer): Promise<void> => server.close();

async function describe(redis: Redis, name: string): Promise<FunctionDescription> {
  const list = (await redis.call("LOCUS.FUNCTION", "LIST")) as [string, string, string][];
  const entry = list.find(([listed]) => listed === name);
  if (entry === undefined) throw new Error(`${name} is not listed`);
  return JSON.parse(entry[2]) as FunctionDescription;
}

function outcomeOf([verdict, , usageJson, logsJson, text]: string[]): Outcome {
  const usage = JSON.parse(usageJson!) as Usage;
  const logs = JSON.parse(logsJson!) as string[];
  if (verdict === "ok") return { ok: true, resultJson: text!, usage, logs };
  const error = JSON.parse(text!) as { code: ErrorCode; message: string; stack?: string };
  return { ok: false, error: { ...error, stack: error.stack ?? "" }, usage, logs };
}
