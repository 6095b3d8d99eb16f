import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import type { LocusError } from "#runtime/errors.ts";
import type { RedisSource } from "./redis-source.ts";
import { StreamChannel } from "./stream-channel.ts";

/** To HELLO and SELECT. */
const GREETED = "%1\r\n+server\r\n+redis\r\n+OK\r\n";
const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Answers what `script` says of everything that a client has sent so far. */
async function serverOf(script: (sent: string, socket: Socket) => void): Promise<StreamChannel> {
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    let sent = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      sent += text;
      script(sent, socket);
    });
  });
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  const source: RedisSource = { host: "127.0.0.1", port: (server.address() as AddressInfo).port, database: 1 };
  return new StreamChannel(source);
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: LocusError) => error.code,
  );
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const hasGreeted = (sent: string): boolean => sent.includes("SELECT");

it("gives each round its own replies, however these are cut, and whoever sent it", async () => {
  let answered = 0;
  const channel = await serverOf((sent, socket) => {
    const gets = sent.split("GET").length - 1;
    const replies = Array.from({ length: gets - answered }, (_, index) => `$2\r\nv${answered + index}\r\n`).join("");
    const greeting = hasGreeted(sent) && answered === 0 && gets === 0 ? GREETED : "";
    answered = gets;
    for (const byte of greeting + replies) socket.write(byte, "latin1");
  });
  const rounds = await Promise.all([
    channel.send([
      ["GET", "a"],
      ["GET", "b"],
    ]),
    channel.send([["GET", "c"]]),
  ]);
  expect(rounds.map(text)).toEqual(["$2\r\nv0\r\n$2\r\nv1\r\n", "$2\r\nv2\r\n"]);
});

it("says that Redis is not there, and connects again when it is", async () => {
  let connections = 0;
  const channel = await serverOf((sent, socket) => {
    if (!hasGreeted(sent)) return;
    if (sent.includes("PING")) socket.write("+PONG\r\n");
    else if (++connections === 1) socket.destroy();
    else socket.write(GREETED);
  });
  expect(await codeOf(channel.send([["PING"]]))).toBe("REDIS_UNAVAILABLE");
  expect(text(await channel.send([["PING"]]))).toBe("+PONG\r\n");
  const nowhere = new StreamChannel({ host: "127.0.0.1", port: 1, database: 0 });
  expect(await codeOf(nowhere.send([["PING"]]))).toBe("REDIS_UNAVAILABLE");
});

it.each([
  ["-WRONGPASS no such user\r\n+OK\r\n", "PERMISSION_DENIED", "HELLO: WRONGPASS no such user"],
  ["%0\r\n-NOPERM no permissions\r\n", "PERMISSION_DENIED", "SELECT 1: NOPERM no permissions"],
  ["-ERR max number of clients reached\r\n", "REDIS_UNAVAILABLE", "HELLO: ERR max number of clients reached"],
  [
    "-ERR max number of clients + cluster connections reached\r\n",
    "REDIS_UNAVAILABLE",
    "HELLO: ERR max number of clients + cluster connections reached",
  ],
  ["%0\r\n-BUSY a script runs\r\n", "STORAGE_REFUSED", "SELECT 1: BUSY a script runs"],
])("tells a user that Redis refuses from one that it does not take now: %j", async (greeting, code, message) => {
  const channel = await serverOf((sent, socket) => {
    if (hasGreeted(sent)) socket.write(greeting);
  });
  await expect(channel.send([["PING"]])).rejects.toMatchObject({ code, message: `Redis refused ${message}` });
});

it("fails the rounds of a connection on which something comes that is no reply", async () => {
  const channel = await serverOf((sent, socket) => {
    if (sent.includes("PING")) socket.write("HTTP/1.1 400 Bad Request\r\n");
    else if (hasGreeted(sent)) socket.write(GREETED);
  });
  const codes = [channel.send([["PING"]]), channel.send([["PING"]])].map(codeOf);
  expect(await Promise.all(codes)).toEqual(["REDIS_UNAVAILABLE", "REDIS_UNAVAILABLE"]);
});

it("tells of what answers and is no Redis, and of a port that may want TLS", async () => {
  const failureOf = (channel: StreamChannel) => channel.send([["PING"]]).catch((error: LocusError) => error);
  const other = await serverOf((_sent, socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
  expect(await failureOf(other)).toMatchObject({
    code: "REDIS_UNAVAILABLE",
    message: expect.stringMatching(
      /^what answers at 127\.0\.0\.1:\d+ is no Redis: check LOCUS_REDIS_HOST and LOCUS_REDIS_PORT$/,
    ),
  });
  const reset = await serverOf((_sent, socket) => socket.resetAndDestroy());
  expect(await failureOf(reset)).toMatchObject({
    code: "REDIS_UNAVAILABLE",
    message: expect.stringMatching(
      /was cut before any reply; if it speaks TLS there, set LOCUS_REDIS_TLS=on \(a URL begins with rediss:\/\/ instead\); .* maxclients /,
    ),
  });
});
