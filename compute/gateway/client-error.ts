// What comes over a connection and is no request that can be served: answered on the bare socket, or before any route.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

import { PROBLEM_TYPE, problemOf } from "./problem.ts";

interface ClientFault {
  readonly status: number;
  readonly reason: string;
  readonly detail: string;
}

const MALFORMED: ClientFault = { status: 400, reason: "Bad Request", detail: "this is no HTTP/1.1 request" };

const FAULTS: Readonly<Record<string, ClientFault>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: "Request Header Fields Too Large",
    detail: "the path and the headers together are too long",
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    reason: "Content Too Large",
    detail: "the chunk extensions are too long",
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, reason: "Request Timeout", detail: "the headers did not arrive in time" },
};

export const answerClientError = (error: Error & { readonly code?: string }, socket: Socket): void => {
  // A reset leaves nobody to answer; a reply that has begun cannot be followed by another.
  const replying = socket.bytesWritten > 0 && error.code !== "ERR_HTTP_REQUEST_TIMEOUT";
  if (error.code === "ECONNRESET" || !socket.writable || replying) {
    socket.destroy();
    return;
  }
  const { status, reason, detail } = FAULTS[error.code ?? ""] ?? MALFORMED;
  const body = JSON.stringify(problemOf("REQUEST_INVALID", detail, { status }));
  socket.end(
    [
      `HTTP/1.1 ${status} ${reason}`,
      "connection: close",
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ].join("\r\n"),
  );
};

/** A request that expects something of the server, 100-continue aside, that no server of HTTP/1.1 does. */
export const refuseExpectation = (request: IncomingMessage, response: ServerResponse): void => {
  const status = 417;
  const detail = `nothing here meets the expectation "${request.headers.expect}"`;
  const body = JSON.stringify(problemOf("REQUEST_INVALID", detail, { status }));
  const length = Buffer.byteLength(body);
  response.writeHead(status, { connection: "close", "content-type": PROBLEM_TYPE, "content-length": length }).end(body);
};
