// A redis-server of a test's own, with the locus module unless told otherwise: a folder in the system's temporary one, a
// Unix socket, and a TCP port that the OS picked, for replicas. It can be restarted over what it kept, and run a module that
// a sanitizer watches.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CommonRedisOptions, Redis } from "ioredis";
import { freePort } from "./free-port.ts";
import { endingText, OwnedProcess, ProgramFailure, tailOf } from "./owned-process.ts";
import { buildSanitized, type Sanitizer } from "./sanitized-build.ts";

const BUILD = join(import.meta.dirname, "..", "build");
/** A server that has not answered by then will not. Generous: a loaded CI machine starts one in seconds. */
const START_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 10;
/** SIGTERM waits for replicas and writes an RDB; then comes SIGKILL. */
const STOP_TIMEOUT_MS = 20_000;

export interface RedisServerOptions {
  /** The module's arguments, `name value` in turn; `null`: without the module. */
  readonly moduleArguments?: readonly string[] | null;
  /** Further lines of redis.conf, each an array of words. */
  readonly config?: readonly (readonly string[])[];
  /** Starts as a replica of this one. */
  readonly replicaOf?: RedisServer;
  /** Gives up starting it. */
  readonly signal?: AbortSignal;
  /** The module is one built with it; `close` rejects with what it has found. */
  readonly sanitizer?: Sanitizer;
  /** Of the server, besides the test's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** By sanitizer: the library that Redis, which is built without, has to load first. */
const RUNTIMES: Readonly<Record<Sanitizer, string>> = { address: "libasan.so", thread: "libtsan.so" };

export interface RedisServer {
  /** Its Unix socket. */
  readonly path: string;
  readonly port: number;
  /** Its folder: RDB, AOF, log. */
  readonly directory: string;
  pid(): number;
  /** How it ended, when it has: another one after each restart. */
  ended(): Promise<number | NodeJS.Signals>;
  /** The last lines of its log, for an error. */
  logTail(): string;
  /** A client over the Unix socket; `close` disconnects it. */
  client(options?: Omit<CommonRedisOptions, "replyMapping">): Redis;
  /** What the server and the module have logged since the folder was made. */
  log(): string;
  /** Ends it (as `how` says) and starts it again over the same folder, with these lines in place of those of the same names; clients reconnect. */
  restart(how?: "SIGTERM" | "SIGKILL", config?: RedisServerOptions["config"]): Promise<void>;
  /** Ends server and clients and removes the folder. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts one and waits until it answers and has loaded its data. Rejects, with nothing left behind, with the end of its log, or
 * the reason of the signal.
 */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), "locus-redis-"));
  const guard = guardOf(directory);
  const remove = (): void => {
    guard.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    return await startIn(directory, remove, options);
  } catch (error) {
    remove();
    throw error;
  }
}

/** Removes the folder when this process has ended in a way that leaves it no time for that: its end of the pipe is closed then. */
function guardOf(directory: string): ChildProcess {
  const script = 'trap "" HUP INT TERM; read -r _; rm -rf "$0"';
  const guard = spawn("sh", ["-c", script, directory], { stdio: ["pipe", "ignore", "ignore"] });
  guard.unref();
  (guard.stdin as Socket).unref();
  return guard;
}

async function startIn(directory: string, remove: () => void, options: RedisServerOptions): Promise<RedisServer> {
  const path = join(directory, "redis.sock");
  const logPath = join(directory, "redis.log");
  const port = await freePort();
  const config = serverConfig(options, { directory, path, port });
  const clients: Redis[] = [];
  const environment = [
    ...(options.sanitizer === undefined ? [] : sanitizerEnvironment(options.sanitizer, directory)),
    ...Object.entries(options.environment ?? {}).map(([name, value]) => `${name}=${value}`),
  ];
  let server = await start(flagsOf(config), environment, logPath, path, options.signal);
  let closed = false;

  return {
    path,
    port,
    directory,
    pid: () => server.pid,
    ended: () => server.ended,
    logTail: () => tailOf(logPath),
    client(clientOptions = {}) {
      const client = new Redis({ path, maxRetriesPerRequest: null, retryStrategy: () => 20, ...clientOptions });
      client.on("error", () => {}); // a restart is expected, and a command tells when it fails
      clients.push(client);
      return client;
    },
    log: () => readFileSync(logPath, "utf8"),
    async restart(how = "SIGTERM", changed = []) {
      const kept = config.filter(([name]) => !changed.some(([other]) => other === name));
      await server.stop(how);
      server = await start(flagsOf([...kept, ...changed]), environment, logPath, path, undefined);
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const client of clients) client.disconnect();
      await server.stop();
      const reports = globSync(`${REPORT}.*`, { cwd: directory }).map((file) => readFileSync(join(directory, file)));
      remove();
      if (reports.length > 0) throw new Error(`a sanitizer found:\n${reports.join("\n")}`);
    },
  };
}

function serverConfig(
  options: RedisServerOptions,
  { directory, path, port }: { readonly directory: string; readonly path: string; readonly port: number },
): readonly (readonly string[])[] {
  const lines: (readonly string[])[] = [
    ["port", String(port)],
    ["bind", "127.0.0.1"],
    ["unixsocket", path],
    ["dir", directory],
    ["save", ""],
    ["repl-diskless-sync-delay", "0"],
  ];
  if (options.replicaOf !== undefined) lines.push(["replicaof", "127.0.0.1", String(options.replicaOf.port)]);
  lines.push(...(options.config ?? []));
  const moduleArguments = options.moduleArguments ?? [];
  if (options.moduleArguments !== null) lines.push(["loadmodule", modulePath(options), ...moduleArguments]);
  return lines;
}

const flagsOf = (lines: readonly (readonly string[])[]): string[] =>
  lines.flatMap(([name, ...values]) => [`--${name}`, ...values]);

function modulePath({ sanitizer }: RedisServerOptions): string {
  const [path] = sanitizer === undefined ? [join(BUILD, "locus.so")] : buildSanitized(sanitizer, ["locus.so"]);
  return path ?? "";
}

/** What a sanitizer writes, in the server's folder. */
const REPORT = "sanitizer-report";

function sanitizerEnvironment(sanitizer: Sanitizer, directory: string): string[] {
  const runtime = execFileSync("g++", [`-print-file-name=${RUNTIMES[sanitizer]}`], { encoding: "utf8" }).trim();
  const log = `log_path=${join(directory, REPORT)}`;
  return [
    `LD_PRELOAD=${runtime}`,
    // Redis' own handler for crashes would come first.
    `ASAN_OPTIONS=${log}:handle_segv=2`,
    `UBSAN_OPTIONS=${log}:print_stacktrace=1`,
    `TSAN_OPTIONS=${log}`,
  ];
}

async function start(
  argv: readonly string[],
  environment: readonly string[],
  logPath: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<OwnedProcess> {
  const server = new OwnedProcess({
    argv: ["env", ...environment, "redis-server", ...argv],
    logPath,
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  try {
    while (server.isRunning && performance.now() < deadlineMs) {
      signal?.throwIfAborted();
      if (await answers(path)) return server;
      await sleep(LOOK_INTERVAL_MS);
    }
    const how = server.isRunning ? "it does not answer" : `it ended ${endingText(await server.ended)}`;
    throw new ProgramFailure(`redis-server did not come up: ${how}. The end of its log:\n${server.logTail()}`);
  } catch (error) {
    await server.stop("SIGKILL");
    throw error;
  }
}

/** Whether it serves and has loaded its data: until then it answers -LOADING. */
async function answers(path: string): Promise<boolean> {
  const client = new Redis({ path, lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
  client.on("error", () => {});
  try {
    await client.connect();
    return (await client.ping()) === "PONG";
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}
