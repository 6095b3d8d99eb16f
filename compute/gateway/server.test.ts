import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import { summaryOf } from "../placement/answers.ts";
import { bundleOf, startGateway, type GatewayFixture, lineOf } from "./gateway-fixture.ts";

const LACK = "functions on this node lack CPU: …";

let gateway: GatewayFixture;

beforeAll(async () => {
  gateway = await startGateway({ echo: ({ args }) => args });
});
afterAll(() => gateway.close());

const put = (name: string, bundle: Uint8Array<ArrayBuffer>, type = "application/javascript") =>
  fetch(`${gateway.url}/v1/functions/${name}`, { method: "PUT", body: bundle, headers: { "content-type": type } });

const bytes = (bundle: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bundle);

describe("/v1/functions", () => {
  it("deploys, replaces, lists, shows, gives back and deletes a function", async () => {
    const url = `${gateway.url}/v1/functions/fresh`;
    const first = await put("fresh", bytes(bundleOf({ name: "fresh" })));
    expect(first.status).toBe(201);
    const { version, previousVersion } = (await first.json()) as Record<string, string | null>;
    expect(previousVersion).toBeNull();
    const bundle = bytes(bundleOf({ name: "fresh", side: "storage" }));
    const second = await put("fresh", bundle, "text/javascript; charset=utf-8");
    expect(second.status).toBe(200);
    const { previousVersion: replaced, ...description } = (await second.json()) as Record<string, unknown>;
    expect(description).toMatchObject({ name: "fresh", side: "storage" });
    expect(replaced).toBe(version);
    expect(await (await put("fresh", bundle)).json()).toEqual({
      ...description,
      previousVersion: description["version"],
    });

    expect(await (await fetch(url)).json()).toEqual(description);
    expect(await (await fetch(`${gateway.url}/v1/functions`)).json()).toMatchObject({
      functions: [{ name: "echo" }, { name: "fresh" }],
    });
    expect(await (await fetch(`${url}?bundle`)).bytes()).toEqual(bundle);
    const negotiated = await fetch(url, { headers: { accept: "application/javascript" } });
    expect(negotiated.headers.get("content-type")).toContain("application/javascript");

    expect((await fetch(url, { method: "DELETE" })).status).toBe(204);
    expect(await (await fetch(url)).json()).toMatchObject({ status: 404, code: "FUNCTION_NOT_FOUND" });
    expect(await (await fetch(url, { method: "DELETE" })).json()).toMatchObject({ code: "FUNCTION_NOT_FOUND" });
  });

  // The gateway of this test has neither placement nor instances.
  it.each([
    ["functions", /^$/],
    ["placement", /"detail":"this node runs functions/],
    ["instances", /"detail":"this node's calls/],
  ])("takes a DELETE of /v1/%s without a body, whatever its content type", async (group, answer) => {
    let expected = answer;
    await put("fresh", bytes(bundleOf({ name: "fresh" })));
    for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded", "nonsense"]) {
      const response = await fetch(`${gateway.url}/v1/${group}/fresh`, {
        method: "DELETE",
        headers: { "content-type": type },
      });
      expect([type, await response.text()]).toEqual([type, expect.stringMatching(expected)]);
      if (group === "functions") expected = /FUNCTION_NOT_FOUND/;
    }
    await gateway.registry.delete("fresh").catch(() => {});
  });

  it("refuses a DELETE with a body", async () => {
    const response = await fetch(`${gateway.url}/v1/functions/echo`, {
      method: "DELETE",
      body: "why",
      headers: { "content-type": "text/plain" },
    });
    expect(response.status).toBe(415);
  });

  it("lists functions by name, page by page", async () => {
    const names = ["aa", "ab", "ac", "ad"];
    for (const name of names) await put(name, bytes(bundleOf({ name })));
    const listed = async (query: string): Promise<unknown> => {
      const page = await (await fetch(`${gateway.url}/v1/functions?${query}`)).json();
      const { functions, next } = page as { functions: readonly { readonly name: string }[]; next: string | null };
      return [functions.map(({ name }) => name), next];
    };
    expect(await listed("limit=2")).toEqual([["aa", "ab"], "ab"]);
    expect(await listed("limit=2&after=ab")).toEqual([["ac", "ad"], "ad"]);
    expect(await listed("after=ad")).toEqual([["echo"], null]);
    expect(await listed("after=zz")).toEqual([[], null]);
    for (const query of ["limit=0", "limit=1001", "limit=x", "before=a"])
      expect((await fetch(`${gateway.url}/v1/functions?${query}`)).status).toBe(400);
    for (const name of names) await gateway.registry.delete(name);
  });

  it("deploys under the name that the bundle gives", async () => {
    const response = await fetch(`${gateway.url}/v1/functions`, {
      method: "POST",
      body: bytes(bundleOf({ name: "own" })),
      headers: { "content-type": "application/javascript" },
    });
    expect([response.status, response.headers.get("location")]).toEqual([201, "/v1/functions/own"]);
    await gateway.registry.delete("own");
  });

  it("stores nothing where the bundle's name is not the path's", async () => {
    const refused = await put("other", bytes(bundleOf({ name: "mine" })));
    expect(await refused.json()).toMatchObject({
      status: 422,
      code: "FUNCTION_INVALID",
      detail: expect.stringContaining('"mine"'),
    });
    const listed = (await (await fetch(`${gateway.url}/v1/functions`)).json()) as {
      readonly functions: readonly unknown[];
    };
    expect(listed.functions).toHaveLength(1);
  });

  it("refuses a bundle that does not load, is too large, missing, or of another content type", async () => {
    expect(await (await put("bad", new Uint8Array([0x7b]))).json()).toMatchObject({
      status: 422,
      code: "FUNCTION_INVALID",
    });
    expect(await (await put("big", new Uint8Array(1024 * 1024 + 1))).json()).toMatchObject({
      status: 413,
      code: "BUNDLE_TOO_LARGE",
    });
    const missing = await fetch(`${gateway.url}/v1/functions/none`, { method: "PUT" });
    const isEmpty = { status: 400, code: "REQUEST_INVALID", detail: expect.stringMatching(/^the body is empty;/) };
    expect(await missing.json()).toMatchObject(isEmpty);
    expect(await (await put("none", new Uint8Array(0))).json()).toMatchObject(isEmpty);
    expect(await (await put("odd", new Uint8Array(1), "application/json")).json()).toMatchObject({
      status: 415,
      detail: 'the content-type is "application/json", must be application/javascript or text/javascript',
    });
  });
});

describe("what operators ask", () => {
  it("says that it lives, and that it is ready part by part", async () => {
    expect(await (await fetch(`${gateway.url}/healthz`)).json()).toEqual({ status: "live" });
    expect(await (await fetch(`${gateway.url}/readyz`)).json()).toEqual({
      ready: true,
      storage: { ready: true, detail: "module memory" },
      compute: { ready: true, detail: "1 of 1 sandbox hosts ready", confinement: ["seccomp"], actingFor: [] },
      accepting: true,
      warnings: [],
    });
  });

  it("stays ready while functions lack CPU, and says so", async () => {
    const other = await startGateway({}, { warnings: [LACK] });
    const response = await fetch(`${other.url}/readyz`);
    expect([response.status, await response.json()]).toMatchObject([200, { ready: true, warnings: [LACK] }]);
    await other.close();
  });

  it("says why a function runs where it does, and whether functions lack CPU", async () => {
    const nobody = () => Promise.reject(new Error("not asked"));
    const explain = async (name: string) => summaryOf(name, undefined);
    const other = await startGateway(
      { echo: ({ args }) => args },
      { warnings: [LACK], placement: { explain, overview: nobody, rule: nobody } },
    );
    const response = await fetch(`${other.url}/v1/placement/echo`);
    expect(await response.json()).toMatchObject({ function: "echo", warnings: [LACK] });
    await other.close();
  });

  it("stays ready while nothing runs beside Redis, and says so of that side", async () => {
    const other = await startGateway({});
    other.registry.obstacle = "switched off";
    const response = await fetch(`${other.url}/readyz`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      ready: true,
      storage: { ready: false, code: "SIDE_UNAVAILABLE", detail: "switched off" },
    });
    await other.close();
  });

  it("is not ready while Redis is away, or once it was told to stop", async () => {
    const other = await startGateway({});
    other.registry.probe = () => Promise.reject(new LocusError("REDIS_UNAVAILABLE", "gone"));
    const response = await fetch(`${other.url}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      storage: { ready: false, code: "REDIS_UNAVAILABLE", detail: "gone" },
    });
    other.health.stopAccepting();
    expect(await (await fetch(`${other.url}/readyz`)).json()).toMatchObject({ ready: false, accepting: false });
    await other.close();
  });

  it("counts calls by function, side and outcome", async () => {
    await fetch(`${gateway.url}/v1/functions/echo/invocations?side=storage`, { method: "POST" });
    await fetch(`${gateway.url}/v1/functions/nobody/invocations`, { method: "POST" });
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toContain('locus_calls_total{function="echo",side="storage",outcome="ok"} 1');
    expect(metrics).toContain('locus_call_seconds_count{function="echo",side="storage"} 1');
    expect(metrics).toContain('locus_calls_refused_total{code="FUNCTION_NOT_FOUND"} 1');
    expect(metrics).toContain("locus_calls_in_flight 0");
  });
});

describe("GET /v1/stats", () => {
  it("tells of the functions that were called, of one where one is named, and refuses one that is not there", async () => {
    const other = await startGateway({ echo: () => 1, quiet: () => 1 });
    const stats = async (query = "") => (await fetch(`${other.url}/v1/stats${query}`)).json();
    expect(await stats()).toEqual({ functions: [] });
    await fetch(`${other.url}/v1/functions/echo/invocations?side=storage`, { method: "POST" });
    const echo = { function: "echo", side: "storage", calls: 1, failed: 0, errors: {}, meanUs: expect.any(Number) };
    expect(await stats()).toMatchObject({ functions: [echo] });
    expect(await stats("?function=echo")).toMatchObject({ functions: [echo] });
    expect(await stats("?function=quiet")).toEqual({ functions: [] });
    expect(await stats("?function=nobody")).toMatchObject({ status: 404, code: "FUNCTION_NOT_FOUND" });
    expect(await stats("?name=echo")).toMatchObject({ status: 400, code: "REQUEST_INVALID" });
    await other.close();
  });
});

describe("GET /v1/logs", () => {
  it("gives the lines that are held, of one source where one is named", async () => {
    gateway.logs.append(lineOf("echo", "one"));
    gateway.logs.append(lineOf("other", "two"));
    const lines = (await (await fetch(`${gateway.url}/v1/logs?source=echo`)).text()).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { time: expect.stringMatching(/^\d{4}-.*Z$/), ...lineOf("echo", "one") },
    ]);
  });

  it("has nothing of a function that has said nothing, and refuses a source that is not there", async () => {
    const lines = async (query: string) => fetch(`${gateway.url}/v1/logs?${query}`);
    expect(await (await lines("source=supervisor")).text()).toBe("");
    const [unknown, followed] = [await lines("source=nobody"), await lines("source=nobody&follow")];
    const problem = { status: 404, code: "FUNCTION_NOT_FOUND", detail: 'there is no function "nobody" here' };
    expect([await unknown.json(), await followed.json()]).toMatchObject([problem, problem]);
  });

  it("refuses one follower too many, and leaves nothing behind", async () => {
    const other = await startGateway({});
    const leave = Array.from({ length: 32 }, () => other.logs.follow(() => {}));
    const refused = await fetch(`${other.url}/v1/logs?follow`);
    expect(await refused.json()).toMatchObject({ status: 503, code: "OVERLOADED" });
    leave.forEach((one) => one());
    await other.close();
  });

  it("tells lines as they come to who follows, and lets go when the node stops", async () => {
    const other = await startGateway({});
    other.logs.append(lineOf("echo", "before"));
    const response = await fetch(`${other.url}/v1/logs?follow`);
    const lines = response.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    expect((await lines.next()).value).toContain("before");
    other.logs.append(lineOf("echo", "after"));
    expect((await lines.next()).value).toContain("after");
    const closing = other.app.close();
    expect((await lines.next()).done).toBe(true);
    await closing;
  });
});

describe("what is wrong with a request itself", () => {
  const raw = async (request: string): Promise<string> => {
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    socket.write(request);
    return text(socket);
  };

  it("is 404 where there is nothing", async () => {
    const response = await fetch(`${gateway.url}/v2/functions`);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.json()).toMatchObject({ status: 404, code: "REQUEST_INVALID" });
  });

  it("is 405 with what is allowed where the method is another", async () => {
    const response = await fetch(`${gateway.url}/v1/functions/echo`, { method: "POST", body: "anything" });
    expect(response.headers.get("allow")).toBe("DELETE, GET, HEAD, PUT");
    expect(await response.json()).toMatchObject({ status: 405, code: "REQUEST_INVALID" });
  });

  it.each([
    ["400 where it is no HTTP", "HELO there\r\n\r\n", "HTTP/1.1 400"],
    [
      "400 where its path cannot be decoded",
      "GET /v1/functions/%ff HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
      "HTTP/1.1 400",
    ],
    ["431 where its headers are too long", `GET / HTTP/1.1\r\nx: ${"x".repeat(20_000)}\r\n\r\n`, "HTTP/1.1 431"],
    [
      "400 where its body is shorter than it says",
      "POST /v1/functions/echo/invocations HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 400",
    ],
  ])("is %s", async (_title, request, status) => {
    const response = await raw(request);
    expect(response.startsWith(status)).toBe(true);
    expect(JSON.parse(response.slice(response.indexOf("{")))).toMatchObject({ code: "REQUEST_INVALID" });
  });
});
