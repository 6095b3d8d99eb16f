// The embedded stack: Redis with the module and a node, on this machine, on ports that the OS picks, in a folder that is
// removed again. What `demo`, `up`, benchmarks and end-to-end tests run against.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Confinement } from "#runtime/sandbox/supervisor.ts";
import { OwnedProcess } from "#test/owned-process.ts";
import { type RedisServer, type RedisServerOptions, startRedisServer } from "#test/redis-server.ts";

const REPOSITORY = join(import.meta.dirname, "..");
/** Until a node listens and its sandbox host is up. Generous: a loaded CI machine takes seconds. */
const START_TIMEOUT_MS = 30_000;
/** Beyond the node's own grace of 10 s. */
const STOP_TIMEOUT_MS = 15_000;
const LOOK_INTERVAL_MS = 20;

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
  const node = new OwnedProcess({
    argv: [process.execPath, programOf("locus"), "node"],
    environment: environment({
      LOCUS_CONFINEMENT: confinement,
      ...redisSettings,
      LOCUS_HTTP_PORT: String(httpPort),
    }),
    logPath: nodeLogPath,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
  let closing = false;
  const ended = node.ended.then((how) => {
    if (!closing) throw new Error(`the node ended by itself (${how}); the end of its log:\n${node.logTail()}`);
  });
  ended.catch(() => {}); // not everyone watches
  const tools = new Set<Promise<string>>();
  const close = async (): Promise<void> => {
    closing = true;
    await Promise.allSettled(tools);
    await node.stop();
    await redis.close();
  };
  try {
    const url = await ready(node, nodeLogPath, signal);
    const settings = { ...redisSettings, LOCUS_URL: url };
    const run: Stack["run"] = (tool, ...argv) => {
      const running = runTool(tool, argv, settings, signal).finally(() => tools.delete(running));
      tools.add(running);
      return running;
    };
    return { redis, url, settings, nodeLogPath, nodePid: node.pid, ended, run, close };
  } catch (error) {
    await close();
    throw error;
  }
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

/** The environment without locus' settings: a stack has its own. */
const environment = (settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOCUS_"))),
  ...settings,
});

/** Where the gateway listens, once the node can do its work. */
async function ready(node: OwnedProcess, logPath: string, signal: AbortSignal): Promise<string> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (node.isRunning && performance.now() < deadlineMs) {
    signal.throwIfAborted();
    const url = listeningUrl(readFileSync(logPath, "utf8"));
    if (url !== null && (await answersOk(`${url}/readyz`))) return url;
    await sleep(LOOK_INTERVAL_MS);
  }
  signal.throwIfAborted();
  throw new Error(`the node did not come up; the end of its log:\n${node.logTail()}`);
}

/** The node logs it, a JSON object a line; null before that. */
function listeningUrl(log: string): string | null {
  const line = log.split("\n").find((text) => text.includes('"msg":"listening"'));
  return line === undefined ? null : `http://127.0.0.1:${(JSON.parse(line) as { readonly port: number }).port}`;
}

const answersOk = async (url: string): Promise<boolean> =>
  fetch(url).then(
    async (response) => {
      await response.body?.cancel();
      return response.ok;
    },
    () => false,
  );

async function runTool(
  tool: Tool,
  argv: readonly string[],
  settings: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [programOf(tool), ...argv], {
    cwd: REPOSITORY,
    env: environment(settings),
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
