// Why there is no connection to Redis, in words that name the setting to mend. Node, ioredis and a sandbox host each have their own
// words for it: all of them come here, and what is said is the same.

import { LocusError } from "#runtime/errors.ts";

/** As much of a `RedisSource` as says where it is. */
interface Place {
  readonly host: string;
  readonly port: number;
  readonly path?: string | null | undefined;
}

/** Node's own advice is of no use where authorities are a setting. */
const ADVICE_OF_NODE = /; if the root CA is installed locally.*$/s;
const UNTRUSTED = /self.signed certificate|unable to (?:get|verify)\b.* certificate/;
const LATE = /ETIMEDOUT/;
/** OpenSSL's words for bytes that are not of TLS. */
const NO_TLS = /wrong version number|packet length too long/;
const CUT = /ECONNRESET|EPIPE|closed the connection|Connection is closed/;
/** Redis' own words for credentials that do not open the door. */
const REFUSED = /\b(?:WRONGPASS|NOAUTH)\b/;
const SETTINGS_OF_USER = "LOCUS_REDIS_USER and LOCUS_REDIS_PASSWORD";
/** Redis' own words for the number of a database that it does not have. */
const NO_DATABASE = /\b(?:DB index is out of range|invalid DB index)\b/;
/** Redis' own first words for "not now": who asks later is served. */
const NOT_NOW: ReadonlySet<string> = new Set([
  "LOADING",
  "READONLY",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "MISCONF",
  "OOM",
  "BUSY",
  "NOREPLICAS",
]);
/** Where it is part of a cluster it says: clients + cluster connections. */
const FULL = /^ERR max number of clients\b/;
/** Of the decoder of ioredis. */
const NO_RESP = /^Unknown RESP type/;

/** As messages name it. */
export const placeOf = ({ host, port, path }: Place): string => path ?? `${host}:${port}`;

/** Where other things than Redis answer; null: the place is not known. */
export const noRedisText = (place: Place | null): string => {
  const settings = (place?.path ?? null) === null ? "LOCUS_REDIS_HOST and LOCUS_REDIS_PORT" : "LOCUS_REDIS_PATH";
  return `what answers${place === null ? "" : ` at ${placeOf(place)}`} is no Redis: check ${settings}`;
};

export const noRedisAt = (place: Place): LocusError => new LocusError("REDIS_UNAVAILABLE", noRedisText(place));

/** What an error of Redis' own says that it does not take now; null: it is none of these. */
export const passingCode = (text: string): "STORAGE_REFUSED" | "REDIS_UNAVAILABLE" | null => {
  if (FULL.test(text)) return "REDIS_UNAVAILABLE";
  return NOT_NOW.has(text.split(" ", 1)[0] ?? "") ? "STORAGE_REFUSED" : null;
};

/** Why Redis refused to select the database: without it everything would be read and written in another one. */
export const selectionFailure = (text: string, place: Place, database: number): LocusError =>
  NO_DATABASE.test(text)
    ? new LocusError(
        "REDIS_UNAVAILABLE",
        `Redis at ${placeOf(place)} has no database ${database}: check LOCUS_REDIS_DB, or the number at the end of LOCUS_REDIS_URL`,
      )
    : refusal(`SELECT ${database}`, text);

/** Why Redis did not do what a connection begins with. */
export const refusal = (command: string, text: string): LocusError =>
  new LocusError(passingCode(text) ?? "PERMISSION_DENIED", `Redis refused ${command}: ${text}`);

/** The error of a connection on which no reply came yet. A LocusError passes through unchanged. */
export const connectionFailure = (error: unknown, place: Place, hasTls: boolean): LocusError => {
  if (error instanceof LocusError) return error;
  const text = lossText(unansweredText((error as Error).message, hasTls));
  return new LocusError("REDIS_UNAVAILABLE", `could not connect to Redis at ${placeOf(place)}: ${text}`, {
    cause: error,
  });
};

/** A URL chooses TLS by its scheme, and LOCUS_REDIS_TLS must not contradict it: the advice names both. */
const withTls = (wanted: "on" | "off"): string =>
  `set LOCUS_REDIS_TLS=${wanted} (a URL begins with ${wanted === "on" ? "rediss" : "redis"}:// instead)`;

/**
 * Why a connection went before any reply came on it. One that is cut has many words for it, by turns: they are said as one. A Redis
 * that is full says so and closes, and ioredis meets the close first.
 */
const unansweredText = (text: string, hasTls: boolean): string => {
  if (hasTls && LATE.test(text)) return `no TLS session came up in time; if it speaks none there, ${withTls("off")}`;
  if (hasTls && NO_TLS.test(text)) return `what answers speaks no TLS: ${withTls("off")}`;
  return !hasTls && CUT.test(text)
    ? `the connection was cut before any reply; if it speaks TLS there, ${withTls("on")}; a Redis that has all the clients of its maxclients cuts it, too`
    : text;
};

/** What `unansweredText` says, where nothing else names the place. */
export const unansweredAt = (text: string, place: Place, hasTls: boolean): string => {
  const why = unansweredText(text, hasTls);
  return why === text ? text : `at ${placeOf(place)} ${why}`;
};

/** Whether Redis refused the user. */
export const isUserRefused = (text: string): boolean => REFUSED.test(text);

/** What Redis answered to a greeting, with the settings that name the user where it refused that one. */
export const greetingText = (text: string, userSettings: string = SETTINGS_OF_USER): string =>
  isUserRefused(text) ? `${text}; check ${userSettings} (docs/configuration.md says how to make the user)` : text;

/** Whether the error of a connection says that the bytes on it are not of Redis. */
export const isNoRedis = (text: string): boolean => NO_RESP.test(text);

/** Why a connection was lost, with the setting to mend where the certificate was not trusted. */
export const lossText = (text: string): string => {
  const why = text.replace(ADVICE_OF_NODE, "");
  return UNTRUSTED.test(why) ? `${why}; LOCUS_REDIS_CA names the file with the authorities to trust` : why;
};
