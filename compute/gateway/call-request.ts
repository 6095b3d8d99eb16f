// A call as HTTP carries it: the function's name in the path, what is asked of the call in headers and query. A header
// outranks its query parameter; a parameter that is not known is refused, since it is a typing error more often than not.

import type { IncomingHttpHeaders } from "node:http";

import { LocusError } from "#runtime/errors.ts";
import { LIMITS } from "#runtime/function/description.ts";
import { isSide } from "#runtime/placement/choose-side.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { Call } from "../node/invoker.ts";

/** As fastify's parser gives it: a string, or an array of them where the parameter is repeated. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a request asks of its calls; the same for all lines of a batch. */
export type CallWishes = Omit<Call, "keys" | "argsJson">;

const URL_LENGTH_SHOWN_MAX = 100;
const NO_KEYS: readonly string[] = [];

/** Throws REQUEST_INVALID or SIDE_UNKNOWN. */
export const callWishes = (name: string, headers: IncomingHttpHeaders, query: Query): CallWishes => ({
  function: name,
  version: single(query, "version") ?? null,
  side: sideOf(first(headers["x-locus-side"]) ?? single(query, "side")),
  deadlineMs: deadlineOf(first(headers["x-locus-deadline-ms"])),
  logs: flagOf("logs", first(headers["x-locus-logs"]) ?? single(query, "logs")),
  ...traceOf(first(headers["traceparent"])),
});

/** Whether the reply tells what the call was at, and when. Throws REQUEST_INVALID. */
export const traceAsked = (headers: IncomingHttpHeaders, query: Query): boolean =>
  flagOf("trace", first(headers["x-locus-trace"]) ?? single(query, "trace"));

/** W3C Trace Context: version, trace, parent and flags; of a version to come there may be more. */
const TRACE_PARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;

/** One that is malformed is as good as none, which is what the recommendation says. */
const traceOf = (parent: string | undefined): Pick<Call, "traceId"> => {
  const traceId = parent === undefined ? undefined : TRACE_PARENT.exec(parent)?.[1];
  return traceId === undefined ? {} : { traceId };
};

/** Throws REQUEST_INVALID where the query of `url` is no percent-encoded UTF-8: the parser would take such a key as it stands. */
export const keysOf = ({ key }: Query, url: string): readonly string[] => {
  if (key === undefined) return NO_KEYS;
  if (url.includes("%") && !isPercentEncoded(url)) {
    throw new LocusError(
      "REQUEST_INVALID",
      `the query of ${url.slice(0, URL_LENGTH_SHOWN_MAX)} is no percent-encoded UTF-8`,
    );
  }
  return typeof key === "string" ? [key] : key;
};

const isPercentEncoded = (url: string): boolean => {
  try {
    decodeURIComponent(url);
    return true;
  } catch {
    return false;
  }
};

/** Throws REQUEST_INVALID where the query has a parameter that `known` lacks. */
export const refuseUnknown = (query: Query, known: ReadonlySet<string>): void => {
  for (const name in query) {
    if (!known.has(name)) {
      const others = known.size === 0 ? ": none is known here" : `, only ${[...known].join(", ")}`;
      throw new LocusError("REQUEST_INVALID", `there is no query parameter "${name}"${others}`);
    }
  }
};

/** The one value of a parameter. Throws REQUEST_INVALID where it is repeated. */
export const single = (query: Query, name: string): string | undefined => {
  const value = query[name];
  if (value === undefined || typeof value === "string") return value;
  throw new LocusError("REQUEST_INVALID", `the query parameter "${name}" stands there ${value.length} times`);
};

export const flagOf = (name: string, text: string | undefined): boolean => {
  if (text === undefined || text === "false") return false;
  // `?logs` alone means yes.
  if (text === "true" || text === "1" || text === "") return true;
  throw new LocusError("REQUEST_INVALID", `${name} is "${text}", neither true nor false`);
};

export const integerOf = (name: string, text: string, max: number): number => {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
  throw new LocusError("REQUEST_INVALID", `${name} is "${text}", no whole number from 1 to ${max}`);
};

const deadlineOf = (text: string | undefined): number | null =>
  text === undefined ? null : integerOf("x-locus-deadline-ms", text, LIMITS.deadlineMs.max);

const sideOf = (text: string | undefined): Side | null => {
  if (text === undefined) return null;
  if (isSide(text)) return text;
  throw new LocusError("SIDE_UNKNOWN", `the side "${text}" is neither compute nor storage`);
};

const first = (header: string | string[] | undefined): string | undefined =>
  typeof header === "object" ? header[0] : header;
