// One page over HTTP, for people and for who collects figures, in plain text or with TLS, and with a secret where one is set: its text is made when
// somebody reads it. Of a request no more than the secret, the method and the path is looked at.

import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { LocusError } from "#runtime/errors.ts";
import { secretCheck } from "../grpc/secret.ts";
import type { ListenerSecurity } from "../grpc/security.ts";

/** One more is closed at once. Chosen: a page has few readers, each with a connection for as long as it reads. */
const CONNECTIONS_MAX = 64;
/** For the whole of a request, and for the handshake before it. Chosen, not measured. */
const REQUEST_TIMEOUT_MS = 10_000;

interface PageOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Anything else is 404; null: it is at every path. */
  readonly path: string | null;
  readonly contentType: string;
  /** Whoever has not the secret is answered 401, whatever is asked for. */
  readonly security: ListenerSecurity;
  readonly text: () => string;
}

interface Page {
  readonly port: number;
  /** Whoever still reads is cut off. Idempotent. */
  close(): Promise<void>;
}

/** Rejects with CONFIG_INVALID where the address or the certificate cannot be used. */
export async function servePage(options: PageOptions): Promise<Page> {
  const { host, port, security } = options;
  // Those too whose handshake is not over, of which the server knows nothing.
  const connections = new Set<Socket>();
  let server: Server;
  try {
    server = serverOf(security).on("request", answerOf(options));
    server.maxConnections = CONNECTIONS_MAX;
    server.on("connection", (connection: Socket) => {
      connections.add(connection);
      connection.once("close", () => connections.delete(connection));
    });
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
        for (const connection of connections) connection.destroy();
      }),
  };
}

function serverOf({ tls }: ListenerSecurity): Server {
  const limits = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS };
  if (tls === null) return createServer(limits);
  return createTlsServer({ ...limits, handshakeTimeout: REQUEST_TIMEOUT_MS, cert: tls.certificate, key: tls.key });
}

function answerOf({ path, contentType, security: { secret }, text }: PageOptions): RequestListener {
  const isTrusted = secret === null ? (): boolean => true : secretCheck(secret);
  return ({ method, url = "", headers }, response) => {
    // What may follow as a body is not read: the connection ends with the answer.
    response.setHeader("connection", "close");
    if (!isTrusted(headers.authorization)) response.writeHead(401, { "www-authenticate": "Bearer" }).end();
    else if (path !== null && url.split("?", 1)[0] !== path) response.writeHead(404).end();
    else if (method !== "GET") response.writeHead(405, { allow: "GET" }).end();
    else response.setHeader("content-type", contentType).end(text());
  };
}
