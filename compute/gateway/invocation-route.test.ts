import { connect } from "node:net";

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { CallerError } from "#runtime/function/define.ts";
import { bundleOf, startGateway, type GatewayFixture } from "./gateway-fixture.ts";

describe("POST /v1/functions/{name}/invocations", () => {
  let gateway: GatewayFixture;
  let cancelled = false;

  beforeAll(async () => {
    gateway = await startGateway(
      {
        echo: ({ args, keys, log }) => {
          log(`echo ${keys.length}`);
          return { args, keys };
        },
        empty: () => undefined,
        fail: () => {
          throw new TypeError("no such thing");
        },
        refuse: () => {
          throw new CallerError(422, "no such user", { user: 7 });
        },
        wait: ({ signal }) =>
          new Promise<void>((resolve) => {
            signal?.addEventListener("abort", () => {
              cancelled = true;
              resolve();
            });
          }),
      },
      { bodyBytesMax: 1_024 },
    );
    await gateway.registry.load(bundleOf({ name: "here", side: "storage" }));
  });
  afterAll(() => gateway.close());

  const post = (path: string, body?: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}/v1/functions/${path}`, {
      method: "POST",
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body }),
    });

  it("passes the body as args and the keys of the query, and answers the result as it is", async () => {
    const response = await post("echo/invocations?key=a&key=b%2Fc", '{"n": 1, "s": "\\ud800 é"}');
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("application/json");
    expect(await response.json()).toEqual({ args: { n: 1, s: "\ud800 é" }, keys: ["a", "b/c"] });
  });

  it("skips a byte order mark in front of the args", async () => {
    expect(await (await post("echo/invocations", "\uFEFF[1]")).json()).toEqual({ args: [1], keys: [] });
    expect(await (await post("echo/invocations", "\uFEFF")).json()).toEqual({ args: null, keys: [] });
  });

  it("takes no body, and an empty one, for null", async () => {
    expect(await (await post("echo/invocations")).json()).toEqual({ args: null, keys: [] });
    expect(await (await post("echo/invocations", "")).json()).toEqual({ args: null, keys: [] });
    expect(await (await post("empty/invocations")).text()).toBe("null");
  });

  it("tells what a call was at where that is asked for, and refuses what is neither yes nor no before it runs", async () => {
    const done = [{ state: "done", side: "storage", atUs: expect.any(Number) as unknown }];
    for (const [query, headers] of [
      ["&trace", {}],
      ["&trace=false", { "x-locus-trace": "1" }],
    ] as const) {
      const reply = await post(`empty/invocations?side=storage${query}`, undefined, headers);
      expect(JSON.parse(reply.headers.get("x-locus-trace") ?? "")).toEqual(done);
    }
    const failed = await post("fail/invocations?trace");
    expect(JSON.parse(failed.headers.get("x-locus-trace") ?? "")).toMatchObject([{ state: "failed" }]);
    expect((await post("empty/invocations")).headers.has("x-locus-trace")).toBe(false);
    expect((await post("empty/invocations?trace=maybe")).status).toBe(400);
  });

  it("begins the id of a call with its caller's trace, and takes one that is malformed for none", async () => {
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const idOf = async (traceparent: string) =>
      (await post("empty/invocations", undefined, { traceparent })).headers.get("x-locus-invocation");
    const own = /^[0-9a-f]{12}-[0-9a-z]+$/;
    for (const good of [`00-${trace}-00f067aa0ba902b7-01`, `01-${trace}-00f067aa0ba902b7-00-more`]) {
      expect(await idOf(good)).toMatch(new RegExp(`^${trace}-[0-9a-f]{12}-[0-9a-z]+$`));
    }
    for (const bad of [
      trace,
      `ff-${trace}-00f067aa0ba902b7-01`,
      `00-${trace.toUpperCase()}-00f067aa0ba902b7-01`,
      `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
      `00-${trace}-0000000000000000-01`,
      `00-${trace}-00f067aa0ba902b7-011`,
    ]) {
      expect(await idOf(bad)).toMatch(own);
    }
  });

  it("tells side, version, id and usage of each call", async () => {
    const { headers } = await post("empty/invocations?side=storage");
    expect(headers.get("x-locus-side")).toBe("storage");
    expect(headers.get("x-locus-version")).toMatch(/^[0-9a-f]{16}$/);
    expect(headers.get("x-locus-invocation")).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/);
    expect(headers.get("server-timing")).toMatch(/^total;dur=[\d.]+, queue;dur=0, cpu;dur=0, wait;dur=0$/);
    expect(headers.get("x-locus-usage")).toBe("operations=0, rounds=0, bytes-out=0, bytes-in=0, found=0, lock-us=0");
  });

  it("puts the header above the query, and both above the author's preference", async () => {
    const sideOf = async (path: string, headers = {}) =>
      (await post(path, undefined, headers)).headers.get("x-locus-side");
    expect(await sideOf("empty/invocations?side=storage", { "x-locus-side": "compute" })).toBe("compute");
    expect(await sideOf("empty/invocations")).toBe("compute");
    expect(await sideOf("here/invocations")).toBe("storage");
  });

  it("carries the log lines beside the result where they are asked for", async () => {
    for (const [query, header] of [
      ["?logs=true", {}],
      ["?logs", {}],
      ["", { "x-locus-logs": "true" }],
    ] as const) {
      const response = await post(`echo/invocations${query}`, "1", header);
      expect(await response.json()).toEqual({ result: { args: 1, keys: [] }, logs: ["echo 0"] });
    }
  });

  it("answers a call that the function refused with the function's status and data", async () => {
    const response = await post("refuse/invocations");
    expect(response.status).toBe(422);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    const problem = (await response.json()) as object;
    expect(problem).toMatchObject({
      type: "urn:locus:error:CALL_REFUSED",
      status: 422,
      code: "CALL_REFUSED",
      detail: "no such user",
      data: { user: 7 },
      retry: false,
    });
    expect(problem).not.toHaveProperty("stack");
  });

  it("answers a failure of the function with a problem document that has its stack", async () => {
    const response = await post("fail/invocations?logs=true");
    expect(response.status).toBe(500);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(response.headers.get("x-locus-side")).toBe("compute");
    expect(await response.json()).toMatchObject({
      type: "urn:locus:error:FUNCTION_FAILED",
      status: 500,
      code: "FUNCTION_FAILED",
      detail: "no such thing",
      retry: false,
      stack: expect.stringContaining("invocation-route.test.ts"),
      logs: [],
    });
  });

  it.each([
    ["a function that is not there", "nobody/invocations", undefined, 404, "FUNCTION_NOT_FOUND"],
    ["a name that cannot be one", "No%20Body/invocations", undefined, 404, "FUNCTION_NOT_FOUND"],
    ["a name that is too long", `${"n".repeat(200)}/invocations`, undefined, 414, "REQUEST_INVALID"],
    ["a version that is not current", "empty/invocations?version=0000", undefined, 404, "VERSION_NOT_FOUND"],
    ["args that are no JSON", "echo/invocations", "{", 400, "ARGS_INVALID"],
    ["a body that is too large", "echo/invocations", `"${"x".repeat(1_024)}"`, 413, "ARGS_TOO_LARGE"],
    ["a body that is no UTF-8", "echo/invocations", new Uint8Array([0x22, 0xff, 0x22]), 400, "REQUEST_INVALID"],
    ["a side that is none", "echo/invocations?side=moon", undefined, 400, "SIDE_UNKNOWN"],
    ["a side asked for twice", "echo/invocations?side=compute&side=storage", undefined, 400, "REQUEST_INVALID"],
    ["a query parameter that is not known", "echo/invocations?sid=storage", undefined, 400, "REQUEST_INVALID"],
    ["a flag that is neither", "echo/invocations?logs=maybe", undefined, 400, "REQUEST_INVALID"],
  ])("refuses %s", async (_title, path, body, status, code) => {
    const response = await post(path, body);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.json()).toMatchObject({ status, code });
  });

  it.each([
    [
      "a body of another type",
      { "content-type": "text/plain" },
      "1",
      'the content-type is "text/plain", must be application/json',
    ],
    ["a body that is too large", {}, `"${"x".repeat(1_024)}"`, "the body has 1026 bytes, 1024 are allowed"],
    ["a body that is no UTF-8", {}, new Uint8Array([0x22, 0xff, 0x22]), "the body of 3 bytes is no UTF-8"],
  ])("names value and limit of %s", async (_title, headers, body, detail) => {
    expect(await (await post("echo/invocations", body, headers)).json()).toMatchObject({ detail });
  });

  it("refuses a key that is no text: percent-encoded bytes that are no UTF-8", async () => {
    const response = await post("echo/invocations?key=a%FF");
    expect(await response.json()).toMatchObject({
      status: 400,
      code: "REQUEST_INVALID",
      detail: expect.stringContaining("UTF-8"),
    });
  });

  it.each(["0", "-1", "1.5", "soon", "300001", ""])('refuses the deadline "%s"', async (deadline) => {
    const response = await post("empty/invocations", undefined, { "x-locus-deadline-ms": deadline });
    expect(await response.json()).toMatchObject({ status: 400, code: "REQUEST_INVALID" });
  });

  it("refuses a body of another content type, which a foreign web page could send", async () => {
    const response = await post("echo/invocations", "1", { "content-type": "text/plain" });
    expect(await response.json()).toMatchObject({ status: 415, code: "REQUEST_INVALID" });
  });

  it("cancels the call when its client goes away", async () => {
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write("POST /v1/functions/wait/invocations HTTP/1.1\r\nhost: here\r\n\r\n");
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      expect(metrics).toContain("locus_calls_in_flight 1");
    });
    socket.destroy();
    await vi.waitFor(() => expect(cancelled).toBe(true));
  });
});

describe("the bound on calls in flight", () => {
  it("refuses one call more with OVERLOADED, and takes calls again when one has ended", async () => {
    const gates: (() => void)[] = [];
    const gateway = await startGateway(
      { hold: () => new Promise<void>((open) => gates.push(open)) },
      { inFlightMax: 1 },
    );
    const call = () => fetch(`${gateway.url}/v1/functions/hold/invocations`, { method: "POST" });
    const first = call();
    await vi.waitFor(() => expect(gates).toHaveLength(1));
    const refused = await call();
    expect(await refused.json()).toMatchObject({ status: 503, code: "OVERLOADED", retry: true });
    gates.pop()?.();
    expect((await first).status).toBe(200);
    const next = call();
    await vi.waitFor(() => expect(gates).toHaveLength(1));
    gates.pop()?.();
    expect((await next).status).toBe(200);
    await gateway.close();
  });
});
