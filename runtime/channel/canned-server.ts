// A TCP server that answers a real ioredis client with given bytes: what ioredis makes of a reply is the reference for
// ours. For tests.

import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { Redis } from "ioredis";

export interface CannedServer {
  /** What ioredis' `callBuffer` or `call` of that command gives for the reply; the error that it rejects with. */
  ask(command: string, binary: boolean, reply: Uint8Array): Promise<unknown>;
  /** What ioredis sends for the call. */
  sent(command: string, args: readonly unknown[]): Promise<Uint8Array>;
  close(): Promise<void>;
}

export async function startCannedServer(): Promise<CannedServer> {
  let canned: Uint8Array = Buffer.from("%1\r\n+proto\r\n:3\r\n"); // for HELLO, the first command
  let received: Uint8Array = Buffer.alloc(0);
  const server = createServer((socket) => {
    socket.on("data", (data: Buffer) => {
      received = data;
      socket.write(canned);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new Redis({
    port: (server.address() as AddressInfo).port,
    enableReadyCheck: false,
    disableClientInfo: true,
    retryStrategy: () => null,
  });
  await once(client, "ready");
  return {
    async ask(command, binary, reply) {
      canned = reply;
      try {
        return await (binary ? client.callBuffer(command) : client.call(command));
      } catch (error) {
        return error;
      }
    },
    async sent(command, args) {
      canned = Buffer.from("+OK\r\n");
      await client.call(command, ...(args as string[]));
      return received;
    },
    async close() {
      client.disconnect();
      server.close();
      await once(server, "close");
    },
  };
}
