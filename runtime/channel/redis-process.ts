// A throw-away redis-server on a Unix socket, for tests that hold this folder against the real thing.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { Channel } from "./channel.ts";
import { encodeOperation } from "./operation.ts";
import { decodeReply } from "./reply.ts";

/** Whether there is a redis-server on PATH. */
export const redisServerExists = (): boolean => spawnSync("redis-server", ["--version"]).status === 0;

export interface RedisProcess {
  /** Its Unix socket. */
  readonly path: string;
  /** Ends it and removes its folder. Idempotent. */
  close(): Promise<void>;
}

/** Starts one and waits until it answers. It keeps nothing on disk. */
export async function startRedis(): Promise<RedisProcess> {
  const folder = mkdtempSync(join(tmpdir(), "locus-redis-"));
  const path = join(folder, "redis.sock");
  const settings = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", folder];
  const server = spawn("redis-server", settings, { stdio: "ignore" });
  const gone = new Promise<void>((resolve) => {
    server.once("exit", () => resolve());
  });
  const close = async (): Promise<void> => {
    server.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  const client = new Redis({ path, retryStrategy: () => 20, maxRetriesPerRequest: null });
  client.on("error", () => {}); // the socket is not there yet
  const answered = await Promise.race([client.ping(), gone]);
  client.disconnect();
  if (answered === "PONG") return { path, close };
  await close();
  throw new Error(`redis-server ended before it answered on ${path}`);
}

/** A channel to the server over one plain connection; one round at a time. */
export async function channelTo(path: string): Promise<Channel & { close(): void }> {
  const socket = createConnection(path);
  await once(socket, "connect");
  const send: Channel["send"] = async (round) => {
    socket.write(Buffer.concat(round.map(encodeOperation)));
    let received: Uint8Array = Buffer.alloc(0);
    do {
      const [data] = (await once(socket, "data")) as [Buffer];
      received = Buffer.concat([received, data]);
    } while (!holdsReplies(received, round.length));
    return received;
  };
  await send([["HELLO", "3"]]);
  return { send, close: () => void socket.destroy() };
}

function holdsReplies(bytes: Uint8Array, count: number): boolean {
  let offset = 0;
  for (let replies = 0; replies < count; replies += 1) {
    const reply = decodeReply(bytes, offset, { shape: "plain", binary: true });
    if (reply === "incomplete") return false;
    offset = reply.end;
  }
  return true;
}
