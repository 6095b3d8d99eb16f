// Where Redis is, as whom, and the first words on a connection to it.

import type { Socket } from "node:net";
import { noRedisAt, refusal, selectionFailure } from "./connection-failure.ts";
import { encodeOperation } from "./operation.ts";
import { decodeReply } from "./reply.ts";

export interface RedisSource {
  readonly host: string;
  readonly port: number;
  /** A Unix socket instead of host and port. */
  readonly path?: string;
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  readonly tls?: {
    /** Whom the certificate must be for. */
    readonly serverName: string;
    /** PEM of the authorities to trust; empty: those that Node brings along. */
    readonly authorities: string;
  };
}

/** What HELLO, SELECT and ACT may answer, bytes: some hundred are usual. */
const GREETING_BYTES_MAX = 64 * 1024;

interface Greeting {
  /** What CLIENT LIST is to show; none where it is left out. */
  readonly clientName?: string;
  /** The user that the connection takes on when it has authenticated (LOCUS.NODE ACT). */
  readonly actsFor?: string | undefined;
}

/**
 * Authenticates with HELLO 3, selects the database, and leaves the socket paused. Rejects with PERMISSION_DENIED where Redis refuses any
 * of it, with REDIS_UNAVAILABLE or STORAGE_REFUSED where it does so for now, with the former where it has no such database or is no Redis, and with what the socket says.
 */
export async function greet(
  socket: Socket,
  source: RedisSource,
  { clientName, actsFor }: Greeting = {},
): Promise<void> {
  const { username = "default", password, database } = source;
  const greeting: (readonly [string, ...string[]])[] = [
    [
      ...(["HELLO", "3"] as const),
      ...(password === undefined ? [] : ["AUTH", username, password]),
      ...(clientName === undefined ? [] : ["SETNAME", clientName]),
    ],
  ];
  if (database !== 0) greeting.push(["SELECT", String(database)]);
  // Last: from here on it has that user's rights and no others.
  if (actsFor !== undefined) greeting.push(["LOCUS.NODE", "ACT", actsFor]);
  let received = Buffer.alloc(0);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const read = (): void => {
    let offset = 0;
    for (const [command] of greeting) {
      const reply = decodeReply(received, offset, { shape: "plain", binary: false });
      if (reply === "incomplete") return;
      if (reply.value instanceof Error) {
        const { message } = reply.value;
        return reject(command === "SELECT" ? selectionFailure(message, source, database) : refusal(command, message));
      }
      offset = reply.end;
    }
    resolve();
  };
  const onData = (bytes: Buffer): void => {
    received = Buffer.concat([received, bytes]);
    if (received.length > GREETING_BYTES_MAX) reject(new Error("Redis answered more than a greeting"));
    try {
      read();
    } catch {
      // Nobody would catch it here: the bytes are no replies.
      reject(noRedisAt(source));
    }
  };
  const onClose = (): void => reject(new Error("Redis closed the connection"));
  socket.on("data", onData).on("error", reject).on("close", onClose);
  socket.write(Buffer.concat(greeting.map(encodeOperation)));
  try {
    await promise;
  } finally {
    socket.pause();
    socket.off("data", onData).off("close", onClose).off("error", reject);
  }
}
