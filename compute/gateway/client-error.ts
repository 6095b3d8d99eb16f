// What comes over a connection and is no request that can be served: answered on the bare socket, or before any route.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

import { PROBLEM_TYPE, problemOf } from "./problem.ts";

interface ClientFault {
  readonly status: number;
  readonly reason: string;
  readonly detail: string;
}

interface HeaderBounds {
  readonly headersTimeoutMs: number;
  readonly headersBytesMax: number;
}

/** Node's own bound. */
const CHUNK_EXTENSIONS_BYTES_MAX = 16_384;
const MALFORMED = { status: 400, reason: "Bad Request" };

/** For Node's "clientError". */
export const clientErrors = (bounds: HeaderBounds) => {
  const faults = faultsOf(bounds);
  return (error: Error & { readonly code?: string; readonly reason?: string }, socket: Socket): void => {
    // A reset leaves nobody to answer; a reply that has begun cannot be followed by another.
    const replying = socket.bytesWritten > 0 && error.code !== "ERR_HTTP_REQUEST_TIMEOUT";
    if (error.code === "ECONNRESET" || !socket.writable || replying) {
      socket.destroy();
      return;
    }
    const parser = error.reason === undefined ? "" : `: ${error.reason}`;
    answer(socket, faults[error.code ?? ""] ?? { ...MALFORMED, detail: `this is no HTTP/1.1 request${parser}` });
  };
};

const faultsOf = ({ headersTimeoutMs, headersBytesMax }: HeaderBounds): Readonly<Record<string, ClientFault>> => ({
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: "Request Header Fields Too Large",
    detail: `the path and the headers together have more than ${headersBytesMax} bytes`,
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    reason: "Content Too Large",
    detail: `the chunk extensions have more than ${CHUNK_EXTENSIONS_BYTES_MAX} bytes`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    reason: "Request Timeout",
    detail: `the headers did not arrive within ${headersTimeoutMs} ms`,
  },
});

const answer = (socket: Socket, { status, reason, detail }: ClientFault): void => {
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
