// What comes over HTTP and is malformed, too big or too slow: each is refused in HTTP's way with a problem document, costs a
// connection at most, and leaves nothing in flight.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { call, deploy, metric, readiness } from "./node-client.ts";

let redis: RedisServer;
let node: NodeProcess;
beforeAll(async () => {
  redis = await startRedisServer();
  await startNodeOver(redis, (started) => (node = started));
  await deploy(node, 'export default { kind: "locus.function", name: "echo", run: ({ args }) => args };');
});
afterAll(async () => {
  await node.end("SIGTERM");
  await redis.close();
});
const open = async (): Promise<Socket> => {
  const socket = connect(Number(new URL(node.url).port), "127.0.0.1");
  socket.on("error", () => {}); // what the node closes may be written to
  await once(socket, "connect");
  return socket;
};
/** Writes all of it, and reads until the node closes. */
const exchange = async (request: string): Promise<string> => {
  const socket = await open();
  socket.write(request, "latin1");
  return text(socket);
};
const statusOf = (reply: string): string => reply.split("\r\n", 1)[0]?.split(" ")[1] ?? "";
const problemOf = (reply: string): unknown => JSON.parse(reply.slice(reply.indexOf("\r\n\r\n") + 4));

const CALL = "POST /v1/functions/echo/invocations HTTP/1.1\r\n";
const HEADERS = "host: h\r\ncontent-type: application/json\r\nconnection: close\r\n";
const CHUNKED = `${HEADERS}transfer-encoding: chunked\r\n\r\n`;
const megabyte = "x".repeat(1024 * 1024);

describe("a request that is malformed", () => {
  it.each([
    ["has two lengths", `${CALL}${HEADERS}content-length: 1\r\ncontent-length: 2\r\n\r\n11`],
    ["has a length and chunks", `${CALL}content-length: 1\r\n${CHUNKED}0\r\n\r\n`],
    ["has a length below nothing", `${CALL}${HEADERS}content-length: -1\r\n\r\n1`],
    ["has a length that no number holds", `${CALL}${HEADERS}content-length: 99999999999999999999999\r\n\r\n1`],
    ["has a length in words", `${CALL}${HEADERS}content-length: one\r\n\r\n1`],
    ["has an encoding beside chunks", `${CALL}${HEADERS}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
    ["has an encoding that nobody knows", `${CALL}${HEADERS}transfer-encoding: zip\r\n\r\n1`],
    ["has a chunk of more bytes than there are", `${CALL}${CHUNKED}FFFFFFFFFFFFFFFFF\r\n1`],
    ["has a chunk below nothing", `${CALL}${CHUNKED}-1\r\n1`],
    ["has a header with a blank in its name", `${CALL}ho st: h\r\n\r\n`],
    ["has a header with a NUL", `${CALL}${HEADERS}x: a\0b\r\n\r\n`],
    ["has a header that goes on", `${CALL}${HEADERS}x: a\r\n b\r\n\r\n`],
    ["has bare line feeds", "GET /healthz HTTP/1.1\nhost: h\n\n"],
    ["has a method in small letters", "get /healthz HTTP/1.1\r\nhost: h\r\n\r\n"],
    ["has a body that is no UTF-8", `${CALL}${HEADERS}content-length: 3\r\n\r\n"\xff"`],
    ["has a body with half a character", `${CALL}${HEADERS}content-length: 3\r\n\r\n"\xc3"`],
    ["has a body with half of a surrogate pair in bytes", `${CALL}${HEADERS}content-length: 5\r\n\r\n"\xed\xa0\x80"`],
    ["begins HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["begins TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["is any bytes", "\0\xff\x7f\0"],
  ])("gets 400: it %s", async (_title, request) => {
    const reply = await exchange(request);
    expect(statusOf(reply)).toBe("400");
    expect(problemOf(reply)).toMatchObject({ status: 400, code: "REQUEST_INVALID", detail: expect.any(String) });
  });

  it.each([
    ["an expectation that nobody meets", `${CALL}${HEADERS}expect: wonders\r\ncontent-length: 1\r\n\r\n1`, 417],
    ["an encoded body", `${CALL}${HEADERS}content-encoding: gzip\r\ncontent-length: 1\r\n\r\n1`, 415],
    [
      "an encoded batch",
      `POST /v1/functions/echo/batch HTTP/1.1\r\nhost: h\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\n1`,
      415,
    ],
    ["a method that nothing has", `TRACE /healthz HTTP/1.1\r\n${HEADERS}\r\n`, 404],
    ["a path with dots", `GET /v1/functions/../../x HTTP/1.1\r\n${HEADERS}\r\n`, 404],
  ])("gets its own status: %s", async (_title, request, status) => {
    expect(problemOf(await exchange(request))).toMatchObject({ status, code: "REQUEST_INVALID" });
  });

  it.each(["%00", "a%00b", "__proto__", "constructor", "a%2F..%2Fb", "%E2%80%AE"])(
    "names no function: %s",
    async (name) => {
      const reply = await exchange(`GET /v1/functions/${name} HTTP/1.1\r\n${HEADERS}\r\n`);
      expect(problemOf(reply)).toMatchObject({ status: 404, code: "FUNCTION_NOT_FOUND" });
    },
  );

  it("ends in the middle of its body: nothing is called", async () => {
    const socket = await open();
    socket.end(`${CALL}${HEADERS}content-length: 100\r\n\r\n{"a"`);
    expect(statusOf(await text(socket))).toBe("400");
  });

  it("asks for a tunnel: the connection is closed", async () => {
    expect(await exchange("CONNECT other:80 HTTP/1.1\r\nhost: other:80\r\n\r\n")).toBe("");
  });
});

describe("a request that is too big", () => {
  it.each([
    ["a path", `GET /${"x".repeat(20_000)} HTTP/1.1\r\n${HEADERS}\r\n`, 431],
    ["headers, few and long", `GET /healthz HTTP/1.1\r\n${HEADERS}x: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    ["headers, short and many", `GET /healthz HTTP/1.1\r\n${HEADERS}${"a: b\r\n".repeat(5_000)}\r\n`, 431],
    ["trailers", `${CALL}${CHUNKED}1\r\n1\r\n0\r\n${"a: b\r\n".repeat(5_000)}\r\n`, 431],
    ["extensions of a chunk", `${CALL}${CHUNKED}1;${"x".repeat(20_000)}\r\n1\r\n0\r\n\r\n`, 413],
  ])("has too much of %s", async (_title, request, status) => {
    expect(problemOf(await exchange(request))).toMatchObject({ status, code: "REQUEST_INVALID" });
  });

  it.each([
    ["says that its body is", `${CALL}${HEADERS}content-length: 9999999999\r\n\r\n`, "ARGS_TOO_LARGE"],
    ["has a body in chunks that is", `${CALL}${CHUNKED}200000\r\n${megabyte}${megabyte}`, "ARGS_TOO_LARGE"],
    [
      "deploys what is",
      `PUT /v1/functions/big HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: application/javascript\r\ncontent-length: 3145729\r\n\r\n`,
      "BUNDLE_TOO_LARGE",
    ],
  ])("%s too big is refused before its end", async (_title, request, code) => {
    expect(problemOf(await exchange(request))).toMatchObject({ status: 413, code });
  });

  it("has keys and args that are too big together, or too many keys", async () => {
    const query = `key=${"k".repeat(8_000)}`;
    const args = `"${"x".repeat(1024 * 1024 - 100)}"`;
    const request = CALL.replace(" HTTP", `?${query} HTTP`);
    const reply = await exchange(`${request}${HEADERS}content-length: ${args.length}\r\n\r\n${args}`);
    expect(problemOf(reply)).toMatchObject({ status: 413, code: "ARGS_TOO_LARGE" });
  });
});

/** All replies of a batch. */
const batch = async (body: string | Uint8Array<ArrayBuffer>): Promise<readonly Record<string, unknown>[]> => {
  const response = await fetch(`${node.url}/v1/functions/echo/batch`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body,
  });
  const lines = (await response.text()).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
};

describe("a batch", () => {
  const refused = { error: { code: "REQUEST_INVALID", message: expect.any(String), retry: false } };

  it("tells each line that is bad, and calls the others", async () => {
    const bad = ["{", "null", "1", "[]", '{"args":1}}', '{"keys":{}}', '{"keys":[null]}', `{"args":"${megabyte}"}`];
    const deep = `{"args":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const replies = await batch([...bad, deep, '{"args":"good"}'].join("\r\n"));
    expect(replies.slice(0, bad.length)).toEqual(bad.map(() => refused));
    expect(replies[bad.length]).toMatchObject({
      error: { code: expect.stringMatching(/^(REQUEST|ARGS|RESULT)_INVALID$/) },
    });
    expect(replies.slice(bad.length + 1)).toEqual([{ result: "good" }]);
  });

  it("may have any bytes in a line, and any number of lines", async () => {
    const torn = Buffer.concat([Buffer.from([0xff, 0xfe, 0]), Buffer.from('\n{"args":1}\n')]);
    expect(await batch(new Uint8Array(torn))).toEqual([refused, { result: 1 }]);
    expect(await batch(`${"\n".repeat(100_000)}${'{"args":2}\n'.repeat(3_000)}`)).toHaveLength(3_000);
  });

  it("may have names in its args that JavaScript has a use for", async () => {
    const args = '{"__proto__":{"a":1},"constructor":{"prototype":2},"then":3}';
    const body = `{"args":${args}}\n{"args":"\u00ff","__proto__":{"args":1}}\n`;
    const response = await fetch(`${node.url}/v1/functions/echo/batch`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body,
    });
    const [first, second] = (await response.text()).split("\n");
    expect(first).toBe(`{"result":${args}}`);
    expect(JSON.parse(second ?? "")).toEqual(refused);
  });

  it("that breaks off leaves nothing in flight", async () => {
    const socket = await open();
    const head = "POST /v1/functions/echo/batch HTTP/1.1\r\nhost: h\r\ncontent-type: application/x-ndjson\r\n";
    socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
    socket.write('b\r\n{"args":1}\n\r\n5\r\n{"arg\r\n');
    let reply = "";
    socket.on("data", (bytes) => (reply += String(bytes)));
    await vi.waitFor(() => expect(reply).toContain('{"result":1}\n'));
    socket.write("nonsense");
    await once(socket, "close");
  });
});

describe("a client that is slow", () => {
  // Side by side, since each takes as long as it may.
  it("is told so when its headers or its body do not come in time, though some bytes always do", async () => {
    const drip = async (begin: string): Promise<string> => {
      const socket = await open();
      socket.write(begin);
      const timer = setInterval(() => socket.write("a"), 500);
      const reply = await text(socket);
      clearInterval(timer);
      return reply;
    };
    const [silent, headers, body, deployment] = await Promise.all([
      exchange("POST /v1"),
      drip("GET /healthz HTTP/1.1\r\nhost: h\r\nx: "),
      drip(`${CALL}${HEADERS}content-length: 1000\r\n\r\n"`),
      drip(
        `PUT /v1/functions/slow HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: application/javascript\r\ncontent-length: 1000\r\n\r\n`,
      ),
    ]);
    for (const reply of [silent, headers, body, deployment]) {
      expect(problemOf(reply)).toMatchObject({ status: 408, code: "REQUEST_INVALID" });
    }
  });

  it("and many of its kind do not keep others out", async () => {
    const slow = await Promise.all(Array.from({ length: 500 }, open));
    for (const socket of slow) socket.write(`${CALL}${HEADERS}content-length: 1000\r\n\r\n"`);
    expect(await call(node, "echo", "storage")).toEqual({ status: 200, body: null });
    for (const socket of slow) socket.destroy();
  });
});

it("of all this nothing is left in flight, and good calls work", async () => {
  for (const side of ["compute", "storage"]) {
    expect(await call(node, "echo", side)).toEqual({ status: 200, body: null });
  }
  await vi.waitFor(async () => expect(await metric(node, "locus_calls_in_flight")).toBe(0));
  const { body } = await readiness(node);
  expect(body).toMatchObject({ ready: true });
  expect(await metric(node, "locus_sandbox_host_deaths_total")).toBe(0);
});

it.each([
  ["TypeScript", "import type { X } from 'x';\nexport default 1 as number;"],
  ["a module that imports", "import { defineFunction } from 'locus/function';\nexport default defineFunction({});"],
])("a deployment of %s is told how to make a bundle of it", async (_what, body) => {
  const headers = { "content-type": "application/javascript" };
  const reply = await fetch(`${node.url}/v1/functions/echo`, { method: "PUT", headers, body });
  expect([reply.status, await reply.json()]).toEqual([
    422,
    expect.objectContaining({ code: "FUNCTION_INVALID", remedy: expect.stringContaining("`locus deploy` makes one") }),
  ]);
});
