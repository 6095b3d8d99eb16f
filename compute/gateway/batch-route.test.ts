import { request, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

import { afterEach, describe, expect, it, vi } from "vitest";

import { CallerError } from "#runtime/function/define.ts";
import { startGateway, type GatewayFixture } from "./gateway-fixture.ts";

describe("POST /v1/functions/{name}/batch", () => {
  let gateway: GatewayFixture;
  afterEach(() => gateway.close());

  /** Opens a batch whose lines are written as the test goes. */
  const open = (path: string) => {
    const outgoing = request(`${gateway.url}/v1/functions/${path}`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
    });
    // A client that goes away is part of the tests.
    outgoing.on("error", () => {});
    const response = new Promise<IncomingMessage>((resolve) => outgoing.once("response", resolve));
    return { outgoing, response };
  };

  const batch = async (path: string, body: string): Promise<unknown[]> => {
    const { outgoing, response } = open(path);
    outgoing.end(body);
    const lines = (await text(await response)).split("\n");
    expect(lines.pop()).toBe("");
    return lines.map((line) => JSON.parse(line));
  };

  it("answers each line in order, whatever order the calls end in", async () => {
    gateway = await startGateway({
      later: ({ args }) => new Promise((resolve) => setTimeout(() => resolve(args), 10 - (args as number))),
    });
    const numbers = Array.from({ length: 10 }, (_, index) => index);
    const lines = await batch("later/batch", numbers.map((args) => JSON.stringify({ args })).join("\n"));
    expect(lines).toEqual(numbers.map((result) => ({ result })));
  });

  it("takes args and keys of each line, both optional", async () => {
    gateway = await startGateway({ echo: ({ args, keys }) => [args, keys] });
    const lines = await batch("echo/batch", '{"args":{"a":1},"keys":["k"]}\n{}\n\n{"keys":[]}\n');
    expect(lines).toEqual([{ result: [{ a: 1 }, ["k"]] }, { result: [null, []] }, { result: [null, []] }]);
  });

  it("skips a byte order mark in front of a line", async () => {
    gateway = await startGateway({ echo: ({ args }) => args });
    const lines = await batch("echo/batch", '\uFEFF{"args":1}\r\n\uFEFF{"args":2}\n\uFEFF');
    expect(lines).toEqual([{ result: 1 }, { result: 2 }]);
  });

  it("gives a bad line an error line and goes on", async () => {
    gateway = await startGateway(
      {
        fail: ({ args }) => {
          if (args === "throw") throw new Error("thrown");
          return args;
        },
      },
      { bodyBytesMax: 100 },
    );
    const bad = ["{", "[]", "7", '{"arg":1}', '{"keys":"k"}', '{"keys":[1]}', `{"args":"${"x".repeat(100)}"}`];
    const lines = await batch("fail/batch", [...bad, '{"args":"throw"}', '{"args":"fine"}'].join("\n"));
    expect(lines.slice(0, bad.length)).toEqual(
      bad.map(() => ({ error: { code: "REQUEST_INVALID", message: expect.any(String), retry: false } })),
    );
    expect(lines.slice(bad.length)).toEqual([
      { error: { code: "FUNCTION_FAILED", message: "thrown", retry: false, stack: expect.any(String) } },
      { result: "fine" },
    ]);
  });

  it("tells the status and the data of a call that the function refused", async () => {
    gateway = await startGateway({
      refuse: () => {
        throw new CallerError(404, "no such user", { user: 7 });
      },
    });
    expect(await batch("refuse/batch", "{}")).toEqual([
      { error: { code: "CALL_REFUSED", message: "no such user", retry: false, status: 404, data: { user: 7 } } },
    ]);
  });

  it("refuses a key with half of a surrogate pair, and passes args with one on", async () => {
    gateway = await startGateway({ echo: ({ args }) => args });
    expect(await batch("echo/batch", '{"keys":["ok","\\ud800"]}\n{"args":"\\ud800"}')).toEqual([
      { error: { code: "ARGS_INVALID", message: expect.stringContaining("key 2"), retry: false } },
      { result: "\ud800" },
    ]);
  });

  it("tells side, version, usage and log lines where they are asked for", async () => {
    gateway = await startGateway({ say: ({ log }) => log("here") });
    const [line] = await batch("say/batch?usage&logs&side=storage", "{}");
    expect(line).toEqual({
      result: null,
      side: "storage",
      reason: "asked",
      version: expect.stringMatching(/^[0-9a-f]{16}$/),
      invocation: expect.any(String),
      elapsedUs: expect.any(Number),
      usage: expect.objectContaining({ operations: 0, rounds: 0 }),
      logs: ["here"],
    });
  });

  it("answers the first line before the second is sent", async () => {
    gateway = await startGateway({ echo: ({ args }) => args });
    const { outgoing, response } = open("echo/batch");
    outgoing.write('{"args":1}\n');
    const lines = (await response).setEncoding("utf8")[Symbol.asyncIterator]();
    expect(await lines.next()).toMatchObject({ value: '{"result":1}\n' });
    outgoing.end('{"args":2}');
    expect(await lines.next()).toMatchObject({ value: '{"result":2}\n' });
  });

  it("keeps as many calls in flight as it is asked to, and no more", async () => {
    let inFlight = 0;
    let [inFlightPeak, wanted] = [0, 3];
    gateway = await startGateway({
      count: async () => {
        inFlightPeak = Math.max(inFlightPeak, (inFlight += 1));
        // None ends before as many are there as there are to be, and a while for one more.
        await vi.waitUntil(() => inFlightPeak >= wanted);
        await new Promise((resolve) => setTimeout(resolve, 1));
        inFlight -= 1;
      },
    });
    await batch("count/batch?in-flight=3", "{}\n".repeat(30));
    expect(inFlightPeak).toBe(3);
    [inFlightPeak, wanted] = [0, 64];
    await batch("count/batch", "{}\n".repeat(300));
    expect(inFlightPeak).toBe(64);
  });

  it("stops reading lines while nobody reads the replies", async () => {
    let started = 0;
    const reply = "x".repeat(100_000);
    gateway = await startGateway({ big: () => ((started += 1), reply) });
    const { outgoing, response } = open("big/batch?in-flight=4");
    outgoing.end("{}\n".repeat(5_000));
    const incoming = await response;
    let before = -1;
    // Half a gigabyte would be written by now if nothing held it back.
    await vi.waitFor(
      () => {
        const settled = started === before;
        before = started;
        expect(settled).toBe(true);
      },
      { interval: 100 },
    );
    expect(started).toBeLessThan(1_000);
    incoming.destroy();
  });

  it("cancels what is in flight when the client goes away", async () => {
    let cancelled = 0;
    let started = 0;
    gateway = await startGateway({
      wait: ({ signal }) =>
        new Promise<void>((resolve) => {
          started += 1;
          signal?.addEventListener("abort", () => {
            cancelled += 1;
            resolve();
          });
        }),
    });
    const { outgoing } = open("wait/batch?in-flight=3");
    outgoing.end("{}\n".repeat(10));
    await vi.waitFor(() => expect(started).toBe(3));
    outgoing.destroy();
    await vi.waitFor(() => expect(cancelled).toBe(3));
    expect(started).toBe(3);
  });

  it.each([
    ["an in-flight bound beyond its own", "echo/batch?in-flight=65", 400],
    ["a query parameter that is not known", "echo/batch?key=1", 400],
    ["a batch without a body", "echo/batch", 400],
  ])("refuses %s", async (_title, path, status) => {
    gateway = await startGateway({ echo: ({ args }) => args });
    const response = await fetch(`${gateway.url}/v1/functions/${path}`, { method: "POST" });
    expect(await response.json()).toMatchObject({ status, code: "REQUEST_INVALID" });
  });
});
