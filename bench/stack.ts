// The embedded stack: Redis with the module and a node, on this machine, on ports that the OS picks, in a folder that is
// removed again. What `demo`, `up`, benchmarks and end-to-end tests run against.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Confinement } from "#runtime/sandbox/supervisor.ts";
import { environmentWith, type LocusNode, startLocusNode } from "#test/locus-node.ts";
import { type RedisServer, type RedisServerOptions, startRedisServer } from "#test/redis-server.ts";

const REPOSITORY = join(import.meta.dirname, "..");

/** The command line tools that come with locus. */
export type Tool = "batch" | "redisclient" | "locus";

export interface Stack {
  readonly redis: RedisServer;
  /** Of the node's gateway. */
  readonly url: string;
  /** The settings by which the command line tools find this stack. */
  readonly settings: Readonly<Record<string, string>>;
  readonly nodeLogPath: string;
  readonly nodePid: number;
  /** Resolves when it was closed; rejects when its node ends by itself. */
  readonly ended: Promise<void>;
  /** Runs a tool against this stack, in the repository's folder and with its stderr on ours, and resolves with what it printed. Rejects where it fails. */
  run(tool: Tool, ...argv: readonly string[]): Promise<string>;
  /** Ends all of it. Idempotent. */
  close(): Promise<void>;
}

export interface StackOptions {
  /** Of the gateway; 0: one that is free. */
  readonly httpPort: number;
  readonly redis?: Omit<RedisServerOptions, "signal">;
  /** Of the node and the tools, in place of those by which they find Redis. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of both sides' sandbox hosts; `on` unless said otherwise. */
  readonly confinement?: Confinement;
  /** Gives up starting it, and ends tools that run against it; what has started is closed by whoever has it. */
  readonly signal?: AbortSignal;
}

/** Of who starts a stack that nothing interrupts. */
const NEVER = new AbortController().signal;

/**
 * Starts one and waits until both sides can take calls. Rejects, with nothing left behind, with the end of the log of what
 * did not come up, or the reason of the signal.
 */
export async function startStack({
  httpPort,
  confinement = "on",
  signal = NEVER,
  ...options
}: StackOptions): Promise<Stack> {
  const moduleArguments = ["confinement", confinement];
  const redis = await startRedisServer({ moduleArguments, ...options.redis, signal });
  const nodeLogPath = join(redis.directory, "node.log");
  const here = { LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: String(redis.port) };
  const redisSettings = { ...here, ...options.settings };
  const nodeSettings = { LOCUS_CONFINEMENT: confinement, ...redisSettings, LOCUS_HTTP_PORT: String(httpPort) };
  let node: LocusNode;
  try {
    node = await startLocusNode({ settings: nodeSettings, logPath: nodeLogPath, signal });
  } catch (error) {
    await redis.close();
    throw error;
  }
  const tools = new Set<Promise<string>>();
  const { url, pid: nodePid, ended } = node;
  const settings = { ...redisSettings, LOCUS_URL: url };
  const run: Stack["run"] = (tool, ...argv) => {
    const running = runTool(tool, argv, settings, signal).finally(() => tools.delete(running));
    tools.add(running);
    return running;
  };
  const close = async (): Promise<void> => {
    await Promise.allSettled(tools);
    await node.close();
    await redis.close();
  };
  return { redis, url, settings, nodeLogPath, nodePid, ended, run, close };
}

/** The same, ended with `resources`: in whatever state it is then. */
export async function openStack(options: StackOptions, resources: AsyncDisposableStack): Promise<Stack> {
  const starting = startStack(options);
  // Who is interrupted while it starts waits until there is nothing of it any more.
  resources.defer(() => starting.then((stack) => stack.close(), nothing));
  return starting;
}

const nothing = (): void => {};

const programOf = (tool: Tool): string => join(REPOSITORY, "compute", "cli", `main-${tool}.ts`);

async function runTool(
  tool: Tool,
  argv: readonly string[],
  settings: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [programOf(tool), ...argv], {
    cwd: REPOSITORY,
    env: environmentWith(settings),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  const [printed, [code]] = await Promise.all([
    child.stdout.toArray() as Promise<Buffer[]>,
    once(child, "exit") as Promise<[number | null]>,
  ]);
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  const text = Buffer.concat(printed).toString();
  if (code !== 0) throw new Error(`${[tool, ...argv].join(" ")} ended with exit code ${code}\n${text}`);
  return text;
}
