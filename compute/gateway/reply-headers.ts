// What each reply to a call tells in headers beside its body: where it ran and why there, in which version, and what it used.

import type { FastifyReply } from "fastify";

import type { Usage } from "#runtime/profile/sample.ts";
import type { Reply } from "../node/invoker.ts";
import { traceOf } from "../node/trace.ts";

export const setReplyHeaders = (reply: FastifyReply, { id, side, reason, version, usage, elapsedUs }: Reply): void => {
  reply.header("x-locus-invocation", id);
  if (side !== null) reply.header("x-locus-side", side);
  if (reason !== null) reply.header("x-locus-reason", reason);
  if (version !== null) reply.header("x-locus-version", version);
  if (usage === null) {
    reply.header("server-timing", `total;dur=${ms(elapsedUs)}`);
    return;
  }
  reply.header("server-timing", serverTiming(elapsedUs, usage));
  reply.header("x-locus-usage", usageDictionary(usage));
};

/** For whoever asks: what the call was at, and when. */
export const setTraceHeader = (reply: FastifyReply, outcome: Reply): void => {
  reply.header("x-locus-trace", JSON.stringify(traceOf(outcome)));
};

/** Server-Timing of the W3C, in ms: the whole, and of that waiting for an isolate, computing, and waiting for data. */
const serverTiming = (elapsedUs: number, { queueUs, cpuUs, waitUs }: Usage): string =>
  `total;dur=${ms(elapsedUs)}, queue;dur=${ms(queueUs)}, cpu;dur=${ms(cpuUs)}, wait;dur=${ms(waitUs)}`;

/** A dictionary of structured fields (RFC 9651). */
const usageDictionary = ({ operations, rounds, bytesOut, bytesIn, foundOperations, lockUs }: Usage): string =>
  `operations=${operations}, rounds=${rounds}, bytes-out=${bytesOut}, bytes-in=${bytesIn}, found=${foundOperations}, lock-us=${Math.round(lockUs)}`;

/** To the microsecond: the sandbox measures finer than a header need tell. */
const ms = (us: number): number => Math.round(us) / 1e3;
