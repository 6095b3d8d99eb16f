// A server in this process that speaks enough of Redis' protocol (RESP2) for a test to say what the module answers, and
// when: silence, a broken connection and an odd reply cannot be had from the real one at will. The real one is tested
// against in test/.

import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

import { decodeReply } from "#runtime/channel/reply.ts";
import type { RedisAddress, RedisUser } from "./redis-connection.ts";

export type ScriptedReply = string | number | Buffer | Error | readonly ScriptedReply[];

/** One command: its words, and the connection that it came over. `undefined` leaves it without an answer. */
export type Script = (words: readonly string[], socket: Socket) => ScriptedReply | Promise<ScriptedReply> | undefined;

export interface ScriptedRedis {
  readonly address: RedisAddress;
  readonly user: RedisUser;
  /** What INFO answers to a connection that begins. */
  info: string;
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** As PUBLISH: to every connection that subscribed to anything. */
  publish(channel: string, message: string): void;
  close(): Promise<void>;
}

export const startScriptedRedis = async (script: Script): Promise<ScriptedRedis> => {
  const sockets = new Set<Socket>();
  const subscribers = new Set<Socket>();
  const greeting = { info: "loading:0\r\n" };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => {
      sockets.delete(socket);
      subscribers.delete(socket);
    });
    socket.on("error", () => {});
    let received: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const command = decodeReply(received, 0, { shape: "plain", binary: false });
        if (command === "incomplete") return;
        received = received.subarray(command.end);
        const words = command.value as string[];
        if (words[0] === "subscribe") subscribers.add(socket);
        void answer(greeting.info, script, words, socket);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return Object.assign(greeting, {
    address: { host: "127.0.0.1", port, path: null, tls: false, database: 0 },
    user: { username: null, password: null },
    sockets,
    publish: (channel: string, message: string) => {
      for (const socket of subscribers) socket.write(encode(["message", channel, message]));
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  });
};

const answer = async (info: string, script: Script, words: readonly string[], socket: Socket): Promise<void> => {
  const reply = await (greet(info, words) ?? script(words, socket));
  if (reply !== undefined) socket.write(encode(reply));
};

/** What every connection of ioredis asks before it is ready, and a registry before it trusts the server. */
const greet = (info: string, words: readonly string[]): ScriptedReply | undefined => {
  const [command = "", argument = ""] = words;
  const replies: Readonly<Record<string, ScriptedReply | undefined>> = {
    hello: new Error("NOPROTO unsupported protocol version"),
    client: "OK",
    info: argument === "" || argument === "cluster" ? info : undefined,
    subscribe: ["subscribe", argument, 1],
  };
  return replies[command];
};

const encode = (reply: ScriptedReply): Buffer => {
  if (typeof reply === "number") return Buffer.from(`:${reply}\r\n`);
  if (reply instanceof Error) return Buffer.from(`-${reply.message}\r\n`);
  if (Array.isArray(reply)) return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(encode)]);
  const bytes = Buffer.from(reply as string | Buffer);
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")]);
};
