// Reads the body of a request that fits in memory: bounded in bytes and in time, so that a client that sends slowly or
// for ever costs a connection and nothing else. fastify's own reader has no bound in time and other errors.

import { isUtf8 } from "node:buffer";

import type { FastifyRequest } from "fastify";

import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import { withoutByteOrderMark } from "../byte-order-mark.ts";
import { Overdue } from "./overdue.ts";

/** From the end of the headers to the end of the body. Chosen, not measured: 1 MiB in 20 s is 420 kbit/s. */
const BODY_TIMEOUT_MS = 20_000;

interface BodyBounds {
  readonly bytesMax: number;
  readonly tooLarge: ErrorCode;
}

type Done<Body> = (error: Error | null, body?: Body) => void;
type BodyParser<Body> = (request: FastifyRequest, payload: NodeJS.ReadableStream, done: Done<Body>) => void;

/** A content type parser of fastify's that hands on the body as text. REQUEST_INVALID where it is no UTF-8. */
export const textBody = (bounds: BodyBounds): BodyParser<string> => {
  const bytes = bytesBody(bounds);
  return (request, payload, done) =>
    bytes(request, payload, (error, body) => {
      if (error !== null || body === undefined) return done(error);
      if (!isUtf8(body)) return done(new LocusError("REQUEST_INVALID", `the body of ${body.length} bytes is no UTF-8`));
      done(null, withoutByteOrderMark(body.toString("utf8")));
    });
};

/** The same, as bytes. */
export const bytesBody = ({ bytesMax, tooLarge }: BodyBounds): BodyParser<Buffer> => {
  const overdue = new Overdue(BODY_TIMEOUT_MS);
  return (request, payload, done) => {
    const encoded = encodingOf(request);
    if (encoded !== null) return done(encoded);
    const tooLargeError = (size: string): LocusError =>
      new LocusError(tooLarge, `the body has ${size} bytes, ${bytesMax} are allowed`);
    const announced = request.headers["content-length"];
    if (Number(announced ?? 0) > bytesMax) return done(tooLargeError(`${announced}`));
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (error: Error | null, body?: Buffer): void => {
      payload.removeListener("data", onData);
      payload.removeListener("end", onEnd);
      payload.removeListener("error", onError);
      done(error, body);
    };
    const waiting = overdue.add(() => settle(new BodyTimeout()));
    const arrived = (error: Error | null, body?: Buffer): void => {
      overdue.delete(waiting);
      settle(error, body);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bytesMax) arrived(tooLargeError(`${bytes} or more`));
      else chunks.push(chunk);
    };
    const onEnd = (): void => arrived(null, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes));
    const onError = (error: Error): void => arrived(error);
    payload.on("data", onData);
    payload.on("end", onEnd);
    payload.on("error", onError);
  };
};

/** Nothing is unpacked here: a body that comes packed is refused. null: it comes as it is. */
export const encodingOf = ({ headers }: FastifyRequest): Error | null =>
  headers["content-encoding"] === undefined ? null : new EncodedBody(headers["content-encoding"]);

class EncodedBody extends Error {
  readonly statusCode = 415;

  constructor(encoding: string) {
    super(`the body comes with content-encoding ${encoding}: send it as it is`);
  }
}

class BodyTimeout extends Error {
  readonly statusCode = 408;

  constructor() {
    super(`the body did not arrive within ${BODY_TIMEOUT_MS} ms`);
  }
}
