// What a failure of a Redis connection means in the closed table of errors: the module's own errors carry their code as
// first word (column `redis` of the table), Redis' own and the connection's are sorted here.

import { isNoRedis, lossText, noRedisText, passingCode } from "#runtime/channel/connection-failure.ts";
import { ERRORS, LocusError, type ErrorCode } from "#runtime/errors.ts";

const CODE_BY_FIRST_WORD: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ...Object.entries(ERRORS).map(([code, entry]) => [entry.redis, code as ErrorCode] as const),
  // Redis' own words for a call that it dropped: with its connection, when it became a replica, or since somebody unblocked its client …
  ["UNBLOCKED", "REDIS_UNAVAILABLE"],
  // … and for credentials that do not open the door.
  ["NOAUTH", "REDIS_UNAVAILABLE"],
  ["WRONGPASS", "REDIS_UNAVAILABLE"],
]);

const UNKNOWN_COMMAND = /^ERR unknown (sub)?command\b/i;

/** Bytes of a foreign message that go into ours. */
const MESSAGE_LENGTH_MAX = 4_096;

/** `attempted` says what was being done ("load function khop"); a LocusError passes through unchanged. */
export const toLocusError = (error: unknown, attempted: string): LocusError => {
  if (error instanceof LocusError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (!isReplyError(error)) {
    return new LocusError("REDIS_UNAVAILABLE", `cannot ${attempted}: ${describeConnectionError(error)}`, {
      cause: error,
    });
  }
  if (UNKNOWN_COMMAND.test(text)) {
    return new LocusError("MODULE_MISSING", `cannot ${attempted}: Redis runs without the locus module`, {
      cause: error,
    });
  }
  const passing = passingCode(text);
  if (passing !== null) return new LocusError(passing, text.slice(0, MESSAGE_LENGTH_MAX), { cause: error });
  const separator = text.indexOf(" ");
  const firstWord = separator < 0 ? text : text.slice(0, separator);
  const code = CODE_BY_FIRST_WORD.get(firstWord);
  // A word of the module's is spent once it is a code; a word of Redis' own stays in the message.
  const message = code !== undefined && ERRORS[code].redis === firstWord ? text.slice(separator + 1) : text;
  return new LocusError(code ?? "INTERNAL", message.slice(0, MESSAGE_LENGTH_MAX), { cause: error });
};

/** Whether the user lacks the right to the command itself, and not to keys or channels that it names. As Redis words it, from 6 to 8. */
export const isCommandDenied = (error: unknown): boolean =>
  error instanceof LocusError && error.code === "PERMISSION_DENIED" && error.message.includes("no permissions to run");

/** Whether Redis itself answered with this error; everything else happened to the connection. */
const isReplyError = (error: unknown): boolean => error instanceof Error && error.name === "ReplyError";

const describeConnectionError = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  // ioredis tells of its own switches here.
  if (error.message.startsWith("Stream isn't writeable")) return "there is no connection";
  // A host name that resolves to several addresses fails as an AggregateError without a text of its own.
  if (error.message === "" && error instanceof AggregateError) return error.errors.map(String).join("; ");
  if (isNoRedis(error.message)) return noRedisText(null);
  return lossText(error.message).slice(0, MESSAGE_LENGTH_MAX);
};
