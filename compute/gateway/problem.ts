// Errors as clients see them: problem documents (RFC 9457, application/problem+json) whose `code` is one of the closed
// table. What HTTP itself forbids is REQUEST_INVALID with the status that HTTP has for it.

import type { FastifyReply, FastifyRequest } from "fastify";

import { ERRORS, LocusError, type ErrorCode } from "#runtime/errors.ts";
import { explainFault } from "./request-fault.ts";

export const PROBLEM_TYPE = "application/problem+json";

export interface Problem {
  /** Names the code; there is nothing to fetch. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  /** Whether the same request may succeed later without any change. */
  readonly retry: boolean;
  readonly remedy: string;
  /** The author's files and lines, where the function threw. */
  readonly stack?: string;
  /** What the function says beside the message, where it refused the call. */
  readonly data?: unknown;
  /** The function's lines, where they were asked for. */
  readonly logs?: readonly string[];
}

interface ProblemExtras {
  /** In place of the code's own. */
  readonly status?: number;
  readonly remedy?: string;
  readonly stack?: string;
  readonly data?: unknown;
  readonly logs?: readonly string[];
}

export const problemOf = (code: ErrorCode, detail: string, extras: ProblemExtras = {}): Problem => {
  const { http, meaning, retry, remedy } = ERRORS[code];
  return { type: `urn:locus:error:${code}`, title: meaning, status: http, detail, code, retry, remedy, ...extras };
};

/** `error` as a problem; a failure that is none of ours is INTERNAL, and its text stays in the process log. */
export const problemOfError = (error: unknown, request: FastifyRequest): Problem => {
  if (error instanceof LocusError) return problemOf(error.code, error.message, { remedy: error.remedy });
  const status = httpStatusOf(error);
  if (status === null) return problemOf("INTERNAL", "the gateway failed; its log tells more");
  return problemOf("REQUEST_INVALID", explainFault(error as Error, request), { status });
};

export const sendProblem = (reply: FastifyReply, problem: Problem): FastifyReply =>
  reply.code(problem.status).header("content-type", PROBLEM_TYPE).send(JSON.stringify(problem));

/** fastify marks what the client did wrong with a status below 500. */
const httpStatusOf = (error: unknown): number | null => {
  if (!(error instanceof Error) || !("statusCode" in error)) return null;
  const { statusCode } = error;
  return typeof statusCode === "number" && statusCode >= 400 && statusCode < 500 ? statusCode : null;
};
