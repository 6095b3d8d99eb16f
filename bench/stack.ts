// The embedded stack: Redis with the module and a node, on this machine, on ports that the OS picks, in a folder that is
// removed again. What `demo`, `up`, benchmarks and end-to-end tests run against.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Confinement } from "#runtime/sandbox/supervisor.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";

const REPOSITORY = join(import.meta.dirname, "..");
/** Until a node listens and its sandbox host is up. Generous: a loaded CI machine takes seconds. */
const START_TIMEOUT_MS = 30_000;
/** Beyond the node's own grace of 10 s. */
const STOP_TIMEOUT_MS = 15_000;
const LOOK_INTERVAL_MS = 20;
const LOG_TAIL_LENGTH = 3_000;

/** The command line tools that come with locus. */
export type Tool = "batch" | "redisclient" | "locus";

export interface Stack {
  readonly redis: RedisServer;
  /** Of the node's gateway. */
  readonly url: string;
  /** The settings by which the command line tools find this stack. */
  readonly settings: Readonly<Record<string, string>>;
  readonly nodeLogPath: string;
  nodePid(): number;
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
  /** Of both sides' sandbox hosts; `on` unless said otherwise. */
  readonly confinement?: Confinement;
}

/** Starts one and waits until both sides can take calls. Rejects with the end of the log of what did not come up. */
export async function startStack({ httpPort, confinement = "on" }: StackOptions): Promise<Stack> {
  const redis = await startRedisServer({ moduleArguments: ["confinement", confinement] });
  const nodeLogPath = join(redis.directory, "node.log");
  const redisSettings = { LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: String(redis.port) };
  const nodeSettings = { ...redisSettings, LOCUS_HTTP_PORT: String(httpPort), LOCUS_CONFINEMENT: confinement };
  const node = startNode(nodeSettings, nodeLogPath);
  let closing = false;
  const ended = once(node, "exit").then(([code, signal]) => {
    if (!closing)
      throw new Error(`the node ended by itself (${signal ?? code}); the end of its log:\n${tail(nodeLogPath)}`);
  });
  ended.catch(() => {}); // not everyone watches
  const close = async (): Promise<void> => {
    closing = true;
    await stop(node);
    await redis.close();
  };
  try {
    const url = await ready(node, nodeLogPath);
    const settings = { ...redisSettings, LOCUS_URL: url };
    return {
      redis,
      url,
      settings,
      nodeLogPath,
      nodePid: () => node.pid ?? 0,
      ended,
      run: (tool, ...argv) => runTool(tool, argv, settings),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The environment without locus' settings: a stack has its own. */
const environment = (settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOCUS_"))),
  ...settings,
});

function startNode(settings: Readonly<Record<string, string>>, logPath: string): ChildProcess {
  const log = openSync(logPath, "a");
  const program = join(REPOSITORY, "compute", "cli", "main-locus.ts");
  const node = spawn(process.execPath, [program, "node"], { env: environment(settings), stdio: ["ignore", log, log] });
  closeSync(log);
  return node;
}

/** Where the gateway listens, once the node can do its work. */
async function ready(node: ChildProcess, logPath: string): Promise<string> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (node.exitCode === null && performance.now() < deadlineMs) {
    const url = listeningUrl(readFileSync(logPath, "utf8"));
    if (url !== null && (await answersOk(`${url}/readyz`))) return url;
    await sleep(LOOK_INTERVAL_MS);
  }
  throw new Error(`the node did not come up (exit code ${node.exitCode}); the end of its log:\n${tail(logPath)}`);
}

const tail = (logPath: string): string => readFileSync(logPath, "utf8").slice(-LOG_TAIL_LENGTH);

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
): Promise<string> {
  const program = join(REPOSITORY, "compute", "cli", `main-${tool}.ts`);
  const child = spawn(process.execPath, [program, ...argv], {
    cwd: REPOSITORY,
    env: environment(settings),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [printed, [code]] = await Promise.all([
    child.stdout.toArray() as Promise<Buffer[]>,
    once(child, "exit") as Promise<[number | null]>,
  ]);
  const text = Buffer.concat(printed).toString();
  if (code !== 0) throw new Error(`${[tool, ...argv].join(" ")} ended with exit code ${code}\n${text}`);
  return text;
}

async function stop(node: ChildProcess): Promise<void> {
  if (node.exitCode !== null || node.signalCode !== null) return;
  const gone = once(node, "exit");
  node.kill("SIGTERM");
  const timer = setTimeout(() => node.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}
