// The address of Redis and who connects, from a URL, from single settings, or from both where they do not contradict.

import { readFileSync } from "node:fs";

import type { RedisAddress, RedisUser } from "./node/redis-connection.ts";
import { DATABASE_MAX, type REDIS_SETTINGS } from "#runtime/place-settings.ts";
import { integerBetween, PORT_MAX, type SettingValues } from "#runtime/setting.ts";

interface RedisTarget {
  readonly address: RedisAddress;
  readonly user: RedisUser;
  readonly mistakes: readonly string[];
}

type RedisParts = Omit<SettingValues<typeof REDIS_SETTINGS>, "url">;

const DEFAULT_PORT = 6379;
/** The port, which a parser of URLs would refuse without a word of it, and all that stands before it. */
const PORT_PATTERN = /^([a-z]+:\/\/(?:[^/?#]*@)?(?:\[[^\]]*\]|[^:/?#]*)):([^/?#@]*)(?=[/?#]|$)/i;

const FORM = "redis://user:password@host:6379/0";

const NO_PARTS: RedisParts = {
  host: null,
  port: null,
  path: null,
  tls: null,
  authorities: null,
  database: null,
  user: null,
  password: null,
};

export const redisTarget = ({ url, ...single }: SettingValues<typeof REDIS_SETTINGS>): RedisTarget => {
  const mistakes: string[] = [];
  let parts: RedisParts = single;
  if (url !== null) {
    try {
      parts = joined(parseRedisUrl(url), single, mistakes);
    } catch (error) {
      // The URL may hold a password: it is not repeated.
      mistakes.push(`LOCUS_REDIS_URL: ${(error as Error).message}`);
    }
  }
  if (parts.path !== null && (parts.host !== null || parts.port !== null)) {
    mistakes.push("LOCUS_REDIS_PATH: a Unix socket has no host and no port");
  }
  if (parts.path !== null && parts.tls === "on") mistakes.push("LOCUS_REDIS_TLS: a Unix socket has no TLS");
  if (parts.authorities !== null && parts.tls !== "on") {
    mistakes.push("LOCUS_REDIS_CA: there is nobody to trust without TLS");
  }
  const [address, user] = targetOf(parts);
  return { address: { ...address, ...authoritiesIn(parts.authorities, mistakes) }, user, mistakes };
};

/** What a URL alone says. Throws an Error that names the part, and repeats no part that may be a password. */
export const redisAtUrl = (url: string): readonly [RedisAddress, RedisUser] => targetOf(parseRedisUrl(url));

const targetOf = (parts: RedisParts): readonly [RedisAddress, RedisUser] => [
  {
    host: parts.host ?? "127.0.0.1",
    port: parts.port ?? DEFAULT_PORT,
    path: parts.path,
    tls: parts.tls === "on",
    database: parts.database ?? 0,
  },
  { username: parts.user, password: parts.password },
];

const authoritiesIn = (file: string | null, mistakes: string[]): Pick<RedisAddress, "authorities"> => {
  if (file === null) return {};
  try {
    return { authorities: readFileSync(file, "utf8") };
  } catch (error) {
    mistakes.push(`LOCUS_REDIS_CA: ${(error as Error).message}`);
    return {};
  }
};

/** What the URL says, and beside it what only the single settings say. The same part twice is a mistake. */
const joined = (fromUrl: RedisParts, single: RedisParts, mistakes: string[]): RedisParts => {
  const parts: Record<string, unknown> = { ...fromUrl };
  for (const [part, value] of Object.entries(single)) {
    if (value === null) continue;
    if (parts[part] !== null) mistakes.push(`LOCUS_REDIS_URL: its ${part} is given by a setting of its own as well`);
    parts[part] = value;
  }
  return parts as unknown as RedisParts;
};

/** Throws an Error that names the part, and repeats no part that may be a password. */
const parseRedisUrl = (text: string): RedisParts => {
  // Cut at the wrong place, a password would be shown as a port or a database.
  if (!text.startsWith("unix:") && /^[^/]*\/\/[^/?#]*[/?#].*@/.test(text)) {
    throw new Error("has an @ behind its host (in a user or password, write / ? # as %2F, %3F, %23)");
  }
  const url = URL.parse(text.replace(PORT_PATTERN, "$1"));
  if (url === null || (url.protocol !== "unix:" && !text.includes("://"))) throw new Error(`is no URL such as ${FORM}`);
  // It may be the rest of a password: nothing of it is repeated.
  if (url.search !== "" || url.hash !== "") {
    const found = url.search === "" ? "a #" : "a ?";
    throw new Error(
      `has ${found} behind its path, which is not read: write the database as in ${FORM}, or set LOCUS_REDIS_DB`,
    );
  }
  const user = url.username === "" ? null : decoded("user", url.username);
  const password = url.password === "" ? null : decoded("password", url.password);
  if (url.protocol === "unix:") {
    return { ...NO_PARTS, path: decoded("path", url.pathname), tls: "off", user, password };
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") {
    throw new Error(`begins with ${url.protocol}//, which is none of redis, rediss, unix`);
  }
  if (url.hostname === "") throw new Error("names no host");
  const port = PORT_PATTERN.exec(text)?.[2] ?? "";
  const database = url.pathname.slice(1);
  return {
    ...NO_PARTS,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? DEFAULT_PORT : numberIn("port", port, 1, PORT_MAX),
    tls: url.protocol === "rediss:" ? "on" : "off",
    database: database === "" ? null : numberIn("database", database, 0, DATABASE_MAX),
    user,
    password,
  };
};

const numberIn = (part: string, text: string, min: number, max: number): number => {
  try {
    return integerBetween(min, max)(text);
  } catch (error) {
    throw new Error(`its ${part} ${(error as Error).message}`, { cause: error });
  }
};

const decoded = (part: string, text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new Error(`its ${part} has a % that begins no character (write a % as %25)`, { cause: error });
  }
};
