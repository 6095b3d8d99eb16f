// Between the table of errors and gRPC's statuses: the only place where one becomes the other.

import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ERRORS, isErrorCode, LocusError, type ErrorCode } from "#runtime/errors.ts";

/** In the trailing metadata of an error: the code of the table, which says more than the status. */
const CODE_KEY = "locus-code";
/** The details travel in a header. */
const DETAILS_LENGTH_MAX = 1_000;

export interface StatusReply {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** Codes that a contract tells by another status than the table's. */
export type OwnStatuses = Partial<Record<ErrorCode, status>>;

/** What is no LocusError is a defect of ours: INTERNAL, and its text stays here. */
export function statusOf(error: unknown, own: OwnStatuses = {}): StatusReply {
  const { code, message } =
    error instanceof LocusError
      ? error
      : { code: "INTERNAL" as const, message: "a defect of locus; its log says more" };
  const metadata = new Metadata();
  metadata.set(CODE_KEY, code);
  // Lone surrogates, which a sender may make us repeat, cannot be written in a header.
  return {
    code: own[code] ?? ERRORS[code].grpc,
    details: message.slice(0, DETAILS_LENGTH_MAX).toWellFormed(),
    metadata,
  };
}

/** For statuses of peers that know no codes of ours. Those that are not here are INTERNAL. */
const CODES: Partial<Record<status, ErrorCode>> = {
  [status.CANCELLED]: "CANCELLED",
  [status.INVALID_ARGUMENT]: "REQUEST_INVALID",
  [status.DEADLINE_EXCEEDED]: "DEADLINE_EXCEEDED",
  [status.NOT_FOUND]: "INSTANCE_NOT_FOUND",
  [status.PERMISSION_DENIED]: "PERMISSION_DENIED",
  [status.RESOURCE_EXHAUSTED]: "NODES_EXHAUSTED",
  [status.UNAVAILABLE]: "PEER_UNAVAILABLE",
  [status.UNAUTHENTICATED]: "UNAUTHENTICATED",
};

/**
 * Details with which grpc-js says INTERNAL of a call that its connection took along, though no peer has said anything: the stream was reset with
 * INTERNAL_ERROR, as whatever has a stream does whose session is torn down, or ended before a status had come (so 5 in 100 calls to a server that
 * closed meanwhile on a busy machine); the session was closed by the other side, or its socket failed; the call was written to when that had
 * happened. Other resets are of a peer that is there, other errors our own.
 */
const CONNECTION_LOST =
  /^(?:Received RST_STREAM with code 0 \(Call ended without gRPC status\)|Received RST_STREAM with code 2 (?:\(Internal server error\)|triggered by internal client error: (?:Session closed with error code \d+|(?:read|write) E[A-Z]+))|Write error: write after end)$/;

/** `attempted`: for the message, "ReserveNode at 127.0.0.1:10400". */
export function errorOf(error: ServiceError, attempted: string): LocusError {
  const [told] = error.metadata?.get(CODE_KEY) ?? [];
  const code = typeof told === "string" && isErrorCode(told) ? told : codeOf(error);
  return new LocusError(code, `${attempted}: ${error.details}`, { cause: error });
}

function codeOf({ code, details }: ServiceError): ErrorCode {
  if (code === status.INTERNAL && CONNECTION_LOST.test(details)) return "PEER_UNAVAILABLE";
  return CODES[code] ?? "INTERNAL";
}
