// One page over HTTP, for people and for who collects figures: its text is made when somebody reads it. Of a request no more than the method and the
// path is looked at.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { LocusError } from "#runtime/errors.ts";

/** One more is closed at once. Chosen: a page has few readers, each with a connection for as long as it reads. */
const CONNECTIONS_MAX = 64;
/** For the whole of a request. Chosen, not measured. */
const REQUEST_TIMEOUT_MS = 10_000;

interface PageOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Anything else is 404; null: it is at every path. */
  readonly path: string | null;
  readonly contentType: string;
  readonly text: () => string;
}

interface Page {
  readonly port: number;
  /** Whoever still reads is cut off. Idempotent. */
  close(): Promise<void>;
}

/** Rejects with CONFIG_INVALID where the address cannot be used. */
export async function servePage({ host, port, path, contentType, text }: PageOptions): Promise<Page> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", ({ method, url = "" }, response) => {
    // What may follow as a body is not read: the connection ends with the answer.
    response.setHeader("connection", "close");
    if (path !== null && url.split("?", 1)[0] !== path) response.writeHead(404).end();
    else if (method !== "GET") response.writeHead(405, { allow: "GET" }).end();
    else response.setHeader("content-type", contentType).end(text());
  });
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    throw new LocusError("CONFIG_INVALID", `cannot listen on ${host} port ${port}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
