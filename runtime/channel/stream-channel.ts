// A channel over a connection of this process: for functions that run in plain Node, in an instance of their own. The sandbox has its own,
// native one (`runtime/native/socket_channel.cc`).

import { once } from "node:events";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, type ConnectionOptions } from "node:tls";
import { LocusError } from "#runtime/errors.ts";
import type { Channel } from "./channel.ts";
import { connectionFailure } from "./connection-failure.ts";
import { encodeOperation, type Operation } from "./operation.ts";
import { greet, type RedisSource } from "./redis-source.ts";
import { decodeReply } from "./reply.ts";

const CONNECT_TIMEOUT_MS = 5_000;
/** Of the replies of one round, at most: what native channels hold of one reply. Chosen. */
const REPLIES_BYTES_MAX = 64 * 1024 * 1024;

interface Round {
  readonly length: number;
  readonly resolve: (replies: Uint8Array) => void;
  readonly reject: (error: LocusError) => void;
}

/** An address is no name that TLS may ask for; the certificate has to be for it all the same. */
const trustOf = ({ serverName, authorities }: NonNullable<RedisSource["tls"]>): ConnectionOptions => ({
  ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
  checkServerIdentity: (_asked, certificate) => checkServerIdentity(serverName, certificate),
  ...(authorities === "" ? {} : { ca: authorities }),
});

/** One connection, pipelined; made when it is first needed, and again after a loss. */
export class StreamChannel implements Channel {
  readonly #source: RedisSource;
  #connection: Promise<Socket> | null = null;
  #rounds: Round[] = [];

  constructor(source: RedisSource) {
    this.#source = source;
  }

  async send(round: readonly Operation[]): Promise<Uint8Array> {
    this.#connection ??= this.#connect();
    const socket = await this.#connection;
    return this.#exchange(socket, round);
  }

  close(): void {
    this.#connection?.then((socket) => socket.destroy()).catch(() => {});
  }

  #exchange(socket: Socket, round: readonly Operation[]): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    this.#rounds.push({ length: round.length, resolve, reject });
    socket.write(Buffer.concat(round.map(encodeOperation)));
    return promise;
  }

  async #connect(): Promise<Socket> {
    const { host, port, path, tls } = this.#source;
    const address = path === undefined ? { host, port } : { path };
    const socket = tls === undefined ? connectPlain(address) : connectTls({ ...address, ...trustOf(tls) });
    socket.setNoDelay(true).setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error("no answer")));
    try {
      await once(socket, tls === undefined ? "connect" : "secureConnect");
      await greet(socket, this.#source);
      this.#listen(socket);
      socket.resume();
      socket.setTimeout(0);
      return socket;
    } catch (cause) {
      socket.destroy();
      this.#connection = null;
      throw connectionFailure(cause, this.#source, tls !== undefined);
    }
  }

  #listen(socket: Socket): void {
    let held: Buffer = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      try {
        held = this.#settle(held);
        if (held.length > REPLIES_BYTES_MAX) throw new RangeError(`replies of more than ${REPLIES_BYTES_MAX} bytes`);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#connection = null;
      const rounds = this.#rounds;
      this.#rounds = [];
      const lost = new LocusError("REDIS_UNAVAILABLE", "the connection to Redis was lost");
      for (const { reject } of rounds) reject(lost);
    });
  }

  /** Settles the rounds whose replies are all there; returns the bytes of those that are not. */
  #settle(bytes: Buffer): Buffer {
    let start = 0;
    for (let round = this.#rounds[0]; round !== undefined; round = this.#rounds[0]) {
      let end = start;
      for (let left = round.length; left > 0; left--) {
        const reply = decodeReply(bytes, end, { shape: "plain", binary: true });
        if (reply === "incomplete") return bytes.subarray(start);
        end = reply.end;
      }
      this.#rounds.shift();
      round.resolve(bytes.subarray(start, end));
      start = end;
    }
    return bytes.subarray(start);
  }
}
