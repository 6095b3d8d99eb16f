// What is wrong with a request that fastify refuses before a route sees it, in words that name the value and the limit:
// its own name neither.

import type { FastifyRequest } from "fastify";

import { NAME_PATTERN } from "#runtime/function/description.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Content types of the body that the route takes. */
    readonly takes?: readonly string[];
  }
}

/** Characters of one part of a path: a router looks at no more. */
export const PATH_PART_LENGTH_MAX = 100;
/** Of a value in a message. */
const SHOWN_LENGTH_MAX = 80;

export const explainFault = (error: Error & { readonly code?: string }, request: FastifyRequest): string => {
  switch (error.code) {
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return contentTypeFault(request.headers["content-type"], request.routeOptions.config.takes ?? []);
    case "FST_ERR_MAX_PARAM_LENGTH":
      return `a part of the path ${shown(request.url)} has more than ${PATH_PART_LENGTH_MAX} characters; a function's name matches ${NAME_PATTERN.source}`;
    case "FST_ERR_BAD_URL":
      return `the path ${shown(request.url)} is no percent-encoded UTF-8`;
    case undefined:
    default:
      return error.message;
  }
};

const contentTypeFault = (got: string | undefined, takes: readonly string[]): string => {
  const sent = got === undefined ? "the body came without a content-type" : `the content-type is ${shown(got)}`;
  return takes.length === 0 ? `${sent}; no body is taken here` : `${sent}, must be ${takes.join(" or ")}`;
};

const shown = (value: string): string =>
  JSON.stringify(value.length > SHOWN_LENGTH_MAX ? `${value.slice(0, SHOWN_LENGTH_MAX)}…` : value);
