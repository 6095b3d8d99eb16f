// What is said where there is no Redis to connect to. Over real sockets.

import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { Redis } from "ioredis";
import { afterEach, expect, it, onTestFinished } from "vitest";

import { redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { failureOf, failureText } from "../cli/failure.ts";
import { openBrittleConnection } from "./redis-connection.ts";
import { toLocusError } from "./redis-error.ts";

let server: Server | undefined;
afterEach(() => void server?.close());

/** What a command tells of the attempt to connect to what does this at the first bytes, and where that is. */
const toldOf = async (answer: (socket: Socket) => void): Promise<readonly [told: string, place: string]> => {
  server = createServer((socket) => socket.on("error", () => {}).once("data", () => answer(socket)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const address = { host: "127.0.0.1", port, path: null, tls: false, database: 0 };
  const error = await openBrittleConnection(address, { username: null, password: null }, "test").catch(
    (thrown: unknown) => thrown,
  );
  return [failureText(failureOf(toLocusError(error, "connect to Redis"))), `127.0.0.1:${port}`];
};

const REMEDY =
  "See that Redis runs, and that its address (LOCUS_REDIS_HOST, LOCUS_REDIS_PORT) and the credentials are right.";

it("tells of what answers and is no Redis where it is, and which settings say so", async () => {
  const [told, place] = await toldOf((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  expect(told).toBe(
    `REDIS_UNAVAILABLE: what answers at ${place} is no Redis: check LOCUS_REDIS_HOST and LOCUS_REDIS_PORT\n${REMEDY}`,
  );
});

it("tells of a port that answers no TLS where it is, and which setting wants it", async () => {
  server = createServer((socket) => socket.on("error", () => {}).resume());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const address = { host: "127.0.0.1", port, path: null, tls: true, database: 0 };
  await expect(openBrittleConnection(address, { username: null, password: null }, "test")).rejects.toThrow(
    `at 127.0.0.1:${port} no TLS session came up in time; if it speaks none there, set LOCUS_REDIS_TLS=off (a URL begins with redis:// instead)`,
  );
});

it("tells of a port that answers something else than TLS what a URL has to begin with", async () => {
  server = createServer((socket) => socket.on("error", () => {}).end("-ERR Protocol error\r\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const address = { host: "127.0.0.1", port, path: null, tls: true, database: 0 };
  await expect(openBrittleConnection(address, { username: null, password: null }, "test")).rejects.toThrow(
    `at 127.0.0.1:${port} what answers speaks no TLS: set LOCUS_REDIS_TLS=off (a URL begins with redis:// instead)`,
  );
});

it("tells of a connection that is cut before any reply where that was, and that TLS may be wanted", async () => {
  for (const cut of [(socket: Socket) => socket.resetAndDestroy(), (socket: Socket) => socket.destroy()]) {
    const [told, place] = await toldOf(cut);
    const why = `at ${place} the connection was cut before any reply; if it speaks TLS there, set LOCUS_REDIS_TLS=on (a URL begins with rediss:// instead); `;
    expect(told.startsWith(`REDIS_UNAVAILABLE: cannot connect to Redis: ${why}`)).toBe(true);
    server?.close();
  }
});

it.skipIf(!redisServerExists())(
  "tells of a Redis that has all the clients that it lets in that this may be so",
  async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const only = new Redis({ path: redis.path });
    onTestFinished(() => only.disconnect());
    await only.config("SET", "maxclients", "1");
    const address = { host: "", port: 0, path: redis.path, tls: false, database: 0 };
    const error = await openBrittleConnection(address, { username: null, password: null }, "test").catch(
      (thrown: unknown) => thrown,
    );
    // Which of both is met first is the system's to say.
    expect(toLocusError(error, "connect")).toMatchObject({
      code: "REDIS_UNAVAILABLE",
      message: expect.stringMatching(/ maxclients |^ERR max number of clients reached$/),
    });
  },
);

it("tells of a Redis that is busy that it does not take this now, and of no right that is lacking", async () => {
  const answers = "%0\r\n-BUSY Redis is busy running a script.\r\n+OK\r\n";
  server = createServer((socket) => socket.on("error", () => {}).once("data", () => socket.write(answers)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const address = { host: "127.0.0.1", port, path: null, tls: false, database: 1 };
  await expect(openBrittleConnection(address, { username: null, password: null }, "test")).rejects.toMatchObject({
    code: "STORAGE_REFUSED",
    message: "Redis refused SELECT 1: BUSY Redis is busy running a script.",
  });
});
