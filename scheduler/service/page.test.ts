import { once } from "node:events";
import { connect } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";

import { servePage } from "./page.ts";

const resources = { stack: new AsyncDisposableStack() };
afterEach(async () => {
  await resources.stack.disposeAsync();
  resources.stack = new AsyncDisposableStack();
});

/** Tells how often it was read. */
const serve = async (path: string | null) => {
  let reads = 0;
  const text = () => `read ${++reads}\n`;
  const page = await servePage({ host: "127.0.0.1", port: 0, path, contentType: "text/plain", text });
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
  const again = servePage({ host: "127.0.0.1", port, path: null, contentType: "text/plain", text: () => "" });
  await expect(again).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining(`cannot listen on 127.0.0.1 port ${port}: `),
  });
});
