import { once } from "node:events";
import { connect } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";

import { PLAIN, type ListenerSecurity } from "../grpc/security.ts";
import { servePage } from "./page.ts";

const resources = { stack: new AsyncDisposableStack() };
afterEach(async () => {
  await resources.stack.disposeAsync();
  resources.stack = new AsyncDisposableStack();
});

/** Tells how often it was read. */
const serve = async (path: string | null, security: ListenerSecurity = PLAIN) => {
  let reads = 0;
  const text = () => `read ${++reads}\n`;
  const page = await servePage({ host: "127.0.0.1", port: 0, path, contentType: "text/plain", security, text });
  resources.stack.defer(() => page.close());
  return { ...page, url: `http://127.0.0.1:${page.port}` };
};

test("a page is made anew for each who reads it, whatever is asked of it", async () => {
  const { url } = await serve("/metrics");
  const first = await fetch(`${url}/metrics`);
  expect([first.status, first.headers.get("content-type")]).toEqual([200, "text/plain"]);
  expect(await first.text()).toBe("read 1\n");
  expect(await (await fetch(`${url}/metrics?name=locus_instances`)).text()).toBe("read 2\n");
});

test("a page is at its path alone, or everywhere", async () => {
  const [one, everywhere] = [await serve("/metrics"), await serve(null)];
  for (const path of ["/", "/metrics/", "/metricsx", "//metrics", "/x?/metrics"]) {
    expect((await fetch(one.url + path)).status).toBe(404);
    expect((await fetch(everywhere.url + path)).status).toBe(200);
  }
  expect(await (await fetch(`${one.url}/metrics`)).text()).toBe("read 1\n");
});

test.each(["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])("a page is not there for %s, which is told", async (method) => {
  const { url } = await serve("/metrics");
  const response = await fetch(`${url}/metrics`, { method });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET"]);
});

test("a page with a secret is told to who has it, and nobody else learns so much as where it is", async () => {
  const secret = "s3cret";
  const { url } = await serve("/metrics", { ...PLAIN, secret });
  const bearer = `Bearer ${secret}`;
  const others = ["", secret, "Bearer", "Bearer ", "Bearer s3cre", `${bearer}t`, `Basic ${secret}`];
  for (const authorization of [undefined, ...others, `${bearer}, ${bearer}`]) {
    const headers = authorization === undefined ? {} : { authorization };
    for (const [method, path] of [
      ["GET", "/metrics"],
      ["GET", "/"],
      ["POST", "/metrics"],
    ] as const) {
      const response = await fetch(url + path, { method, headers });
      expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
      expect(await response.text()).toBe("");
    }
  }
  const headers = { authorization: bearer };
  expect(await (await fetch(`${url}/metrics`, { headers })).text()).toBe("read 1\n");
  expect((await fetch(url, { headers })).status).toBe(404);
});

test("a page whose secret becomes another is told to who has that one, and a wrong one makes it doubted", async () => {
  let doubts = 0;
  const secret = { now: "one", doubt: () => void doubts++ };
  const { url } = await serve(null, { ...PLAIN, secret });
  const statusWith = async (text: string): Promise<number> =>
    (await fetch(url, { headers: { authorization: `Bearer ${text}` } })).status;
  expect([await statusWith("one"), await statusWith("two"), doubts]).toEqual([200, 401, 1]);
  secret.now = "two";
  expect([await statusWith("one"), await statusWith("two"), doubts]).toEqual([401, 200, 2]);
  expect([(await fetch(url)).status, doubts]).toEqual([401, 2]);
});

test("a page is told to whoever asks, though the body that it announces never comes", async () => {
  const { port } = await serve("/metrics");
  const socket = connect(port, "127.0.0.1");
  socket.write("GET /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n{");
  // To its end: the connection is over.
  expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nread 1\n$/s);
});

test("a page that is closed cuts off who is connected, and closes again", async () => {
  const page = await serve("/metrics");
  const socket = connect(page.port, "127.0.0.1");
  const over = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {}).resume();
  await once(socket, "connect");
  socket.write("GET /met");
  await page.close();
  await over;
  await page.close();
  await expect(fetch(`${page.url}/metrics`)).rejects.toThrow("fetch failed");
});

test("a page says where it cannot be served", async () => {
  const { port } = await serve("/metrics");
  const again = { host: "127.0.0.1", port, path: null, contentType: "text/plain", text: () => "" };
  const notCertified = { secret: null, tls: { certificate: "none", key: "none" } };
  for (const options of [
    { ...again, security: PLAIN },
    { ...again, port: 0, security: notCertified },
  ]) {
    await expect(servePage(options)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(`cannot listen on 127.0.0.1 port ${options.port}: `),
    });
  }
});
