// The embedded stack: Redis with the module and a node, on this machine, on ports that the OS picks, in a folder that is
// removed again. What `demo`, `up`, benchmarks and end-to-end tests run against.

import { join } from "node:path";
import type { Confinement } from "#runtime/sandbox/supervisor.ts";
import { NodeProcess } from "#test/node-process.ts";
import { endingText, ProgramFailure } from "#test/owned-process.ts";
import { type RedisServer, type RedisServerOptions, startRedisServer } from "#test/redis-server.ts";
import { type Running, type Settings, startTool, type Tool } from "#test/tool.ts";

export interface Stack {
  readonly redis: RedisServer;
  /** Of the node's gateway. */
  readonly url: string;
  /** The settings by which the command line tools find this stack. */
  readonly settings: Settings;
  readonly nodeLogPath: string;
  readonly nodePid: number;
  /** Resolves when it was closed; rejects when its node ends by itself. */
  readonly ended: Promise<void>;
  /** Runs a tool against this stack, in the repository's folder and with its stderr on ours, and resolves with what it printed. Rejects where it fails. */
  run(tool: Tool, ...argv: readonly string[]): Promise<string>;
  /** Ends all of it, tools that run included. Idempotent. */
  close(): Promise<void>;
}

export interface StackOptions {
  /** Of the gateway; 0: one that is free. */
  readonly httpPort: number;
  readonly redis?: Omit<RedisServerOptions, "moduleArguments" | "signal">;
  /** Besides the confinement: `name value` in turn. */
  readonly moduleArguments?: readonly string[];
  /** Of the node and the tools, in place of those by which they find Redis. */
  readonly settings?: Settings;
  /** Of both sides' sandbox hosts; `on` unless said otherwise. */
  readonly confinement?: Confinement;
  /** Gives up starting it, and ends tools that run against it; what has started is closed by whoever has it. */
  readonly signal?: AbortSignal;
}

/**
 * Starts one and waits until both sides can take calls. Rejects, with nothing left behind, with the end of the log of what
 * did not come up, or the reason of the signal.
 */
export async function startStack({ httpPort, confinement = "on", signal, ...options }: StackOptions): Promise<Stack> {
  const moduleArguments = ["confinement", confinement, ...(options.moduleArguments ?? [])];
  const redis = await startRedisServer({ moduleArguments, ...options.redis, ...(signal && { signal }) });
  const nodeLogPath = join(redis.directory, "node.log");
  const here = { LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: String(redis.port) };
  const redisSettings = { ...here, ...options.settings };
  const settings = { LOCUS_CONFINEMENT: confinement, ...redisSettings, LOCUS_HTTP_PORT: String(httpPort) };
  const tools = new Set<Running>();
  let closing = false;
  let node: NodeProcess | null = null;
  const close = async (): Promise<void> => {
    closing = true;
    for (const { child } of tools) child.kill("SIGTERM");
    await Promise.allSettled([...tools].map(({ ended }) => ended));
    await node?.end("SIGTERM");
    await redis.close();
  };
  try {
    const started = await NodeProcess.start({ settings, logPath: nodeLogPath, ...(signal && { signal }) });
    node = started;
    await started.ready();
    const { url, pid: nodePid } = started;
    const ended = started.ended.then((how) => {
      if (closing) return;
      throw new ProgramFailure(
        `The node ended by itself, ${endingText(how)}. The end of its log:\n${started.logTail()}`,
      );
    });
    ended.catch(() => {}); // not everyone watches
    const toolSettings = { ...redisSettings, LOCUS_URL: url };
    const run: Stack["run"] = async (tool, ...argv) => {
      signal?.throwIfAborted();
      if (closing) throw new Error("the stack is closed");
      const running = startTool(tool, argv, toolSettings, { stderr: "inherit" });
      tools.add(running);
      const stop = (): void => void running.child.kill("SIGTERM");
      signal?.addEventListener("abort", stop, { once: true });
      const { status, stdout } = await running.ended.finally(() => {
        tools.delete(running);
        signal?.removeEventListener("abort", stop);
      });
      signal?.throwIfAborted();
      if (status !== 0) {
        throw new ProgramFailure(`${[tool, ...argv].join(" ")} ended with exit code ${status}\n${stdout}`.trimEnd());
      }
      return stdout;
    };
    return { redis, url, settings: toolSettings, nodeLogPath, nodePid, ended, run, close };
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
