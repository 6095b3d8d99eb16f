// How this process connects to Redis, in the two ways that it needs: a lasting connection that comes back by itself
// (the registry's), and a brittle one that is thrown away when it breaks (one of the storage side's pool). Neither ever
// sends a command twice: a call whose connection broke may have run.

import { Redis, type CommonRedisOptions } from "ioredis";

import {
  greetingText,
  isNoRedis,
  noRedisAt,
  selectionFailure,
  unansweredAt,
} from "#runtime/channel/connection-failure.ts";
import type { RedisSource } from "#runtime/channel/redis-source.ts";

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  /** A Unix socket instead of host and port; null where there is none. */
  readonly path: string | null;
  readonly tls: boolean;
  /** PEM of the authorities to trust with TLS; those that Node brings along where there are none. */
  readonly authorities?: string;
  readonly database: number;
}

export interface RedisUser {
  /** null is Redis' default user. */
  readonly username: string | null;
  readonly password: string | null;
  /** The settings that name it, in words; those of the node's own unless said otherwise. */
  readonly userSettings?: string;
}

/** As those take it who speak with Redis themselves: sandboxes, and instances that are no isolates. */
export const redisSourceOf = (address: RedisAddress, { username, password }: RedisUser): RedisSource => ({
  host: address.host,
  port: address.port,
  ...(address.path === null ? {} : { path: address.path }),
  ...(username === null ? {} : { username }),
  ...(password === null ? {} : { password }),
  ...(address.tls ? { tls: { serverName: address.host, authorities: address.authorities ?? "" } } : {}),
  database: address.database,
});

const CONNECT_TIMEOUT_MS = 2_000;
/** A command on a lasting connection that has no answer by then fails with REDIS_UNAVAILABLE. LOAD runs a check first. */
const COMMAND_TIMEOUT_MS = 10_000;
/** Pause before the n-th attempt to come back, ms: chosen so that a restart of Redis costs well under a second. */
const reconnectDelayMs = (attempt: number): number => Math.min(50 * attempt, 1_000);

/**
 * Connects by itself and again after every loss; commands in between fail at once rather than wait. With `mayAsk` it waits until Redis has loaded what it
 * keeps, which takes the right to INFO.
 */
export const openLastingConnection = (address: RedisAddress, user: RedisUser, purpose: string, mayAsk = true): Redis =>
  connection(address, user, purpose, {
    retryStrategy: reconnectDelayMs,
    commandTimeout: COMMAND_TIMEOUT_MS,
    enableReadyCheck: mayAsk,
  });

/**
 * Resolves when it can take a command; rejects with the connection's error. After a loss it stays closed.
 * `autoPipelining`: commands of one turn are sent together.
 */
export const openBrittleConnection = async (
  address: RedisAddress,
  user: RedisUser,
  purpose: string,
  autoPipelining = false,
): Promise<Redis> => {
  const redis = connection(address, user, purpose, { ...BRITTLE, enableAutoPipelining: autoPipelining });
  // `connect` rejects with a bare "Connection is closed."; the reason comes as an event.
  let reason: unknown = null;
  redis.on("error", (error) => (reason = error));
  try {
    await redis.connect();
    return redis;
  } catch (error) {
    // Of one that has ended ioredis would wait, for seconds, that it ends.
    if (redis.status !== "end") redis.disconnect();
    throw connectError(reason ?? error, address, user);
  }
};

/** What ioredis, or Redis, says of an attempt to connect, with the settings to mend. */
export const connectError = (error: unknown, address: RedisAddress, { userSettings }: RedisUser): unknown => {
  if (!(error instanceof Error)) return error;
  if (isSelectionRefused(error)) return selectionFailure(error.message, address, address.database);
  if (error.name === "ReplyError") {
    return Object.assign(new Error(greetingText(error.message, userSettings), { cause: error }), { name: error.name });
  }
  if (isNoRedis(error.message)) return noRedisAt(address);
  const text = unansweredAt(error.message, address, address.tls);
  return text === error.message ? error : new Error(text, { cause: error });
};

interface Connections {
  readonly commands: Redis;
  readonly subscriber: Redis;
  /** What the subscriber hears. Never rejects. */
  readonly subscribe: () => Promise<void>;
}

/**
 * Calls `connected` each time that news are heard and commands are taken, of which either may come later, at the start and after a loss: what was said in
 * between was not heard, and can be read now.
 */
export const whenBothStand = ({ commands, subscriber, subscribe }: Connections, connected: () => void): void => {
  let isHearing = false;
  const tell = (): void => {
    if (isHearing && commands.status === "ready") connected();
  };
  subscriber.on("ready", () => {
    void subscribe().then(() => {
      isHearing = subscriber.status === "ready";
      tell();
    });
  });
  subscriber.on("close", () => (isHearing = false));
  commands.on("ready", tell);
};

type Manner = Pick<
  CommonRedisOptions,
  "retryStrategy" | "commandTimeout" | "lazyConnect" | "enableReadyCheck" | "enableAutoPipelining"
>;

const BRITTLE: Manner = { lazyConnect: true, enableReadyCheck: false, retryStrategy: () => null };

/** ioredis tells of it, and would go on in database 0. */
const isSelectionRefused = (error: Error): boolean =>
  (error as { readonly command?: { readonly name?: string } }).command?.name === "select";

function connection(address: RedisAddress, user: RedisUser, purpose: string, manner: Manner): Redis {
  const redis = new Redis({
    ...(address.path === null ? { host: address.host, port: address.port } : { path: address.path }),
    ...(address.tls ? { tls: address.authorities === undefined ? {} : { ca: address.authorities } } : {}),
    ...(user.username === null ? {} : { username: user.username }),
    ...(user.password === null ? {} : { password: user.password }),
    db: address.database,
    connectionName: `locus-${purpose}`,
    disableClientInfo: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    ...manner,
  });
  redis.on("error", (error: Error) => {
    if (!isSelectionRefused(error)) return;
    // It would be ready all the same: one that is closing will not be.
    redis.status = "close";
    redis.disconnect(true);
  });
  return redis;
}
