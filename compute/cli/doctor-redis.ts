// `locus doctor`, Redis: the server of this machine, whether the module loads in it, and the Redis that nodes and tools
// are told to use.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import type { Redis } from "ioredis";

import { openBrittleConnection, type RedisAddress, type RedisUser } from "../node/redis-connection.ts";
import { LocusError } from "#runtime/errors.ts";
import { toLocusError } from "../node/redis-error.ts";
import { RedisRegistry } from "../node/redis-registry.ts";
import { DEFAULT, type RedisPlace } from "./config.ts";
import { findings, type Finding } from "./doctor-finding.ts";
import { INSTALLATION } from "./installation.ts";

const MAJOR_MIN = 7;
const START_TIMEOUT_MS = 10_000;
const LOOK_INTERVAL_MS = 20;
const NOBODY_LISTENS = { info: () => {}, warn: () => {} };

const redis = findings("redis");

/** `config`: where nodes and tools look for Redis. null: the settings cannot be used, and no more than this machine is looked at. */
export const examineRedis = async (config: RedisPlace | null, signal: AbortSignal): Promise<readonly Finding[]> => {
  const server = await examineServer(signal);
  signal.throwIfAborted();
  return config === null ? server : [...server, ...(await examineConfigured(config))];
};

/** Redis may run elsewhere: that it is not here is no more than a warning. */
const examineServer = async (signal: AbortSignal): Promise<readonly Finding[]> => {
  const { error, stdout } = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (error !== undefined) {
    return [redis.warning("redis-server", "not here", "where Redis is to run here: apt-get install redis-server")];
  }
  const version = /\bv=(\S+)/.exec(stdout)?.[1] ?? "unknown";
  if (Number.parseInt(version, 10) < MAJOR_MIN) {
    return [redis.warning("redis-server", version, `install Redis ${MAJOR_MIN}.0 or newer, or Valkey`)];
  }
  return [redis.ok("redis-server", version), await examineModule(signal)];
};

/** Loads it in a server that nobody else can reach, and that is gone afterwards. */
const examineModule = async (signal: AbortSignal): Promise<Finding> => {
  const folder = mkdtempSync(join(tmpdir(), "locus-doctor-"));
  const path = join(folder, "redis.sock");
  const words = ["--port", "0", "--unixsocket", path, "--dir", folder, "--save", ""];
  const module = ["--loadmodule", INSTALLATION.module, "node", process.execPath];
  const server = spawn("redis-server", [...words, ...module], { stdio: ["ignore", "pipe", "ignore"] });
  const gone = once(server, "exit");
  let log = "";
  server.stdout.on("data", (chunk) => (log += chunk));
  try {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (server.exitCode === null && performance.now() < deadlineMs && !signal.aborted) {
      if (await answers(path)) return redis.ok("module", `${INSTALLATION.module} loads`);
      await sleep(LOOK_INTERVAL_MS);
    }
    const why = log.split("\n").findLast((line) => line.includes(INSTALLATION.module)) ?? log.split("\n").at(-2);
    return redis.missing(
      "module",
      `it does not load: ${why}`,
      `make it for this machine: ${INSTALLATION.buildCommand}`,
    );
  } finally {
    server.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  }
};

const answers = async (path: string): Promise<boolean> => {
  const address = { host: "", port: 0, path, tls: false, database: 0 };
  try {
    const connection = await openBrittleConnection(address, { username: null, password: null }, "doctor");
    await connection.call("LOCUS.INFO").finally(() => connection.disconnect());
    return true;
  } catch {
    return false;
  }
};

const examineConfigured = async ({ redis: address, user, redisFrom }: RedisPlace): Promise<readonly Finding[]> => {
  const place = `${address.path ?? `${address.host}:${address.port}`} (${redisFrom})`;
  let connection: Redis;
  try {
    connection = await openBrittleConnection(address, user, "doctor");
  } catch (error) {
    const { message } = toLocusError(error, `connect to ${place}`);
    const mend = isAnswer(error)
      ? "set what it names (docs/configuration.md)"
      : `start it (${startCommand(address)}), or say where it is (docs/configuration.md)`;
    const looked = redisFrom === DEFAULT ? " (nothing says where Redis is; a node may have been told otherwise)" : "";
    return [redis.missing("Redis", `${message}${looked}`, mend)];
  }
  try {
    return [
      redis.ok("Redis", `answers at ${place}`),
      await examineProtocol(address, user),
      ...examineInfo(String(await connection.call("INFO", "everything"))),
    ];
  } catch (error) {
    return [fromError("Redis", error, address)];
  } finally {
    connection.disconnect();
  }
};

/** Whether something is there, and does not do as it is set here: Redis' refusals, and what is no Redis. */
const isAnswer = (error: unknown): boolean =>
  error instanceof LocusError || (error instanceof Error && error.name === "ReplyError");

/** Of a server that listens where it is looked for. */
export const startCommand = ({ path, port }: Pick<RedisAddress, "path" | "port">): string => {
  const listening = path === null ? `--port ${port}` : `--port 0 --unixsocket ${path}`;
  return `redis-server ${listening} --loadmodule ${INSTALLATION.module} node ${process.execPath}`;
};

const examineProtocol = async (address: RedisAddress, user: RedisUser): Promise<Finding> => {
  const registry = new RedisRegistry(address, user, NOBODY_LISTENS);
  try {
    await registry.firstAttempt();
    const { moduleVersion } = await registry.probe();
    return redis.ok("module in Redis", `version ${moduleVersion}, speaks this release's protocol`);
  } catch (error) {
    return fromError("module in Redis", error, address);
  } finally {
    registry.close();
  }
};

/** `text`: Redis' INFO, with the module's section where it has one. */
export const examineInfo = (text: string): readonly Finding[] => {
  const list: Finding[] = [];
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(text)?.[1] ?? "";
  const obstacle = field("locus_hosts_obstacle");
  if (field("locus_enabled") === "no") {
    const mend = "LOCUS.CONFIG SET enabled yes, where functions are to run beside the data";
    list.push(redis.warning("hosts of the module", "switched off: the module's setting enabled is no", mend));
  } else if (obstacle !== "") {
    list.push(redis.missing("hosts of the module", obstacle, "mend what it says, then restart Redis"));
  }
  const unwritten = ["rdb_last_bgsave_status", "aof_last_write_status"].filter((name) => field(name) === "err");
  if (unwritten.length > 0) {
    const mend = "give Redis a folder that it may write to, with room (CONFIG GET dir); its log says more";
    list.push(redis.missing("data folder of Redis", `the last write failed: ${unwritten.join(", ")}`, mend));
  }
  return list;
};

const fromError = (about: string, error: unknown, address: RedisAddress): Finding => {
  const { code, message, remedy } = toLocusError(error, "ask Redis");
  return redis.missing(about, message, code === "MODULE_MISSING" ? `start it so: ${startCommand(address)}` : remedy);
};
