// Connections for a sandbox host, which cannot open one: the node connects and authenticates as the function user, or as itself and
// then takes on another user, and hands the descriptor over. The host never sees the password; only a TLS session it must make itself.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connectionFailure } from "#runtime/channel/connection-failure.ts";
import { greet } from "#runtime/channel/redis-source.ts";
import { LocusError } from "#runtime/errors.ts";
import type { DataSource } from "./supervisor.ts";

const CONNECT_DEADLINE_MS = 5_000;
const CLIENT_NAME = "locus-function";

export interface DataConnection {
  readonly descriptor: number;
  /** Closes our copy; a copy that was handed over lives on. */
  close(): void;
}

/**
 * Connects; without TLS also authenticates with HELLO 3 and selects the database. Throws REDIS_UNAVAILABLE, STORAGE_REFUSED where Redis serves nobody
 * for now, or PERMISSION_DENIED where it refuses the user.
 */
export async function openDataConnection(source: DataSource): Promise<DataConnection> {
  const socket = connect(source.path === undefined ? { host: source.host, port: source.port } : { path: source.path });
  // Node reads as soon as it is connected, unless paused: with TLS the first bytes are the host's to read.
  if (source.tls !== undefined) socket.pause();
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
  const timer = setTimeout(
    () => socket.destroy(new Error(`no answer within ${CONNECT_DEADLINE_MS} ms`)),
    CONNECT_DEADLINE_MS,
  );
  try {
    if (source.tls === undefined) await greet(socket, source, { clientName: CLIENT_NAME, actsFor: source.actsFor });
    else await once(socket, "connect");
  } catch (error) {
    socket.destroy();
    throw connectionFailure(error, source, source.tls !== undefined);
  } finally {
    clearTimeout(timer);
  }
  // From here on only the close of our own copy follows, which may still report an error.
  socket.on("error", () => {});
  return { descriptor: descriptorOf(socket), close: () => socket.destroy() };
}

/** Node keeps the descriptor in the handle, which has no public door; a test of this file holds the shape. */
function descriptorOf(socket: Socket): number {
  const handle = (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle;
  if (handle?.fd === undefined || handle.fd < 0)
    throw new LocusError("INTERNAL", "a connected socket has no descriptor");
  return handle.fd;
}
