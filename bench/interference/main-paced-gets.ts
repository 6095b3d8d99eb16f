// A plain client in a process of its own that sends GETs at fixed times and counts each from when it was due, so that a wait
// counts for all whom it holds up. Started by interference/peers.ts.

import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { keyOf, VALUE_BYTES } from "../access/values.ts";
import { servePeer } from "../harness/peer-process.ts";

export interface PacedRequest {
  readonly port: number;
  readonly budgetMs: number;
  /** null: each connection sends as soon as it was answered. */
  readonly perSecond: number | null;
}

export interface PacedAnswer {
  readonly perSecond: number;
  /** Of each GET, from when it was due. */
  readonly elapsedUs: Float64Array;
}

const CONNECTIONS = 16;
const KEY = keyOf(0);
const COMMAND = `*2\r\n$3\r\nGET\r\n$${KEY.length}\r\n${KEY}\r\n`;
const REPLY_BYTES = `$${VALUE_BYTES}\r\n`.length + VALUE_BYTES + "\r\n".length;

servePeer(async ({ port, budgetMs, perSecond }: PacedRequest): Promise<PacedAnswer> => {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(port)));
  const elapsedUs: number[] = [];
  const done = (dueMs: number): void => void elapsedUs.push((performance.now() - dueMs) * 1e3);
  const startedMs = performance.now();
  await (perSecond === null ? inTurns(connections, budgetMs, done) : paced(connections, budgetMs, perSecond, done));
  const seconds = (performance.now() - startedMs) / 1e3;
  for (const { socket } of connections) socket.destroy();
  return { perSecond: elapsedUs.length / seconds, elapsedUs: Float64Array.from(elapsedUs) };
});

interface Connection {
  readonly socket: Socket;
  /** Of the GETs that are not answered, in order. */
  readonly due: number[];
  onReply: (dueMs: number) => void;
}

async function connect(port: number): Promise<Connection> {
  const socket = createConnection({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  const connection: Connection = { socket, due: [], onReply: () => {} };
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.length;
    for (; bytes >= REPLY_BYTES; bytes -= REPLY_BYTES) connection.onReply(connection.due.shift() ?? Number.NaN);
  });
  return connection;
}

const send = ({ socket, due }: Connection, dueMs: number): void => {
  due.push(dueMs);
  socket.write(COMMAND);
};

const inTurns = (
  connections: readonly Connection[],
  budgetMs: number,
  done: (dueMs: number) => void,
): Promise<unknown> => {
  const untilMs = performance.now() + budgetMs;
  const one = (connection: Connection): Promise<void> =>
    new Promise((resolve) => {
      connection.onReply = (dueMs) => {
        done(dueMs);
        const nowMs = performance.now();
        if (nowMs < untilMs) send(connection, nowMs);
        else resolve();
      };
      send(connection, performance.now());
    });
  return Promise.all(connections.map(one));
};

/** Looks at the clock in every turn of the event loop: a timer would send a millisecond's GETs at once. */
const paced = (
  connections: readonly Connection[],
  budgetMs: number,
  perSecond: number,
  done: (dueMs: number) => void,
): Promise<void> =>
  new Promise((resolve) => {
    const startedMs = performance.now();
    const count = Math.round((perSecond * budgetMs) / 1e3);
    let sent = 0;
    let answered = 0;
    for (const connection of connections) {
      connection.onReply = (dueMs) => {
        done(dueMs);
        if (++answered === count) resolve();
      };
    }
    const turn = (): void => {
      const dueCount = Math.min(count, Math.floor(((performance.now() - startedMs) * perSecond) / 1e3) + 1);
      for (; sent < dueCount; sent++)
        send(connections[sent % connections.length]!, startedMs + (sent * 1e3) / perSecond);
      if (sent < count) setImmediate(turn);
    };
    turn();
  });
