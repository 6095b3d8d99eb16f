import type { ServerResponse } from "node:http";

import { afterEach, describe, expect, it, vi } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import { startGateway, type GatewayFixture, lineOf } from "../gateway/gateway-fixture.ts";
import { runBatch } from "./batch.ts";
import { NodeClient } from "./node-client.ts";
import { bundleOf } from "../gateway/gateway-fixture.ts";

const never = new AbortController().signal;
const ignore = (): void => {};
const clientOf = ({ url }: GatewayFixture, signal = never) => new NodeClient({ url, from: "a test" }, signal);

describe("runBatch", () => {
  let gateway: GatewayFixture;
  afterEach(() => gateway.close());

  it("calls every node as often as it is told to, with the id as argument and as key", async () => {
    const seen: unknown[] = [];
    gateway = await startGateway({ visit: ({ args, keys }) => void seen.push([args, keys]) });
    const workload = { function: "visit", repeats: 2, count: 130, args: { depth: 3, nodeId: "ours" } };
    const tally = await runBatch(clientOf(gateway), workload, { side: "storage", concurrency: 1 }, ignore, never);
    const once = Array.from({ length: 130 }, (_, index) => [{ depth: 3, nodeId: `${index + 1}` }, [`${index + 1}`]]);
    expect(seen).toEqual([...once, ...once]);
    expect(tally.summary()).toMatchObject({
      calls: 260,
      ok: 260,
      sides: { compute: 0, storage: 260 },
      roundsPerCall: 0,
    });
    expect(tally.summary().secondsPerRepeat).toHaveLength(2);
  });

  it("keeps as many calls in flight as it is told to", async () => {
    let inFlight = 0;
    let inFlightPeak = 0;
    gateway = await startGateway({
      count: async () => {
        inFlightPeak = Math.max(inFlightPeak, (inFlight += 1));
        // None ends before as many are there as there are to be, and a while for one more.
        await vi.waitUntil(() => inFlightPeak >= 5);
        await new Promise((resolve) => setTimeout(resolve, 1));
        inFlight -= 1;
      },
    });
    const workload = { function: "count", repeats: 1, count: 40, args: {} };
    await runBatch(clientOf(gateway), workload, { side: null, concurrency: 5 }, ignore, never);
    expect(inFlightPeak).toBe(5);
  });

  it("sends groups of 64, one after the other", async () => {
    let started = 0;
    const full = Promise.withResolvers<void>();
    gateway = await startGateway({
      // Nothing ends before 64 have started, which a smaller group never does.
      visit: async () => {
        if (++started === 64) full.resolve();
        await full.promise;
      },
    });
    let [requests, underWay, underWayPeak] = [0, 0, 0];
    gateway.app.server.on("request", (_request, response: ServerResponse) => {
      requests += 1;
      underWayPeak = Math.max(underWayPeak, ++underWay);
      response.once("finish", () => (underWay -= 1));
    });
    const workload = { function: "visit", repeats: 1, count: 130, args: {} };
    await runBatch(clientOf(gateway), workload, { side: null, concurrency: 64 }, ignore, never);
    expect({ requests, underWayPeak, started }).toEqual({ requests: 3, underWayPeak: 1, started: 130 });
  });

  it("counts failures by code", async () => {
    gateway = await startGateway({
      odd: ({ keys }) => {
        if (Number(keys[0]) % 2 === 1) throw new Error(`odd ${keys[0]}`);
      },
    });
    const workload = { function: "odd", repeats: 1, count: 5, args: {} };
    const tally = await runBatch(clientOf(gateway), workload, { side: null, concurrency: 64 }, ignore, never);
    expect(tally.summary()).toMatchObject({ calls: 5, ok: 2, errors: { FUNCTION_FAILED: 3 }, firstError: "odd 1" });
  });

  it("says where nodeId comes from to who has a schema that does not know it", async () => {
    gateway = await startGateway({
      strict: ({ args }) => {
        if (Object.hasOwn(args as object, "nodeId")) throw new LocusError("ARGS_INVALID", "args.nodeId is not allowed");
      },
    });
    const workload = { function: "strict", repeats: 1, count: 1, args: {} };
    const tally = await runBatch(clientOf(gateway), workload, { side: null, concurrency: 1 }, ignore, never);
    expect(tally.summary().firstError).toBe(
      "args.nodeId is not allowed (batch adds nodeId to each call's args; POST /v1/functions/strict/batch takes args of your own)",
    );
  });

  it("stops when it is interrupted, with what was done by then", async () => {
    gateway = await startGateway({ empty: ignore });
    const controller = new AbortController();
    const workload = { function: "empty", repeats: 1_000, count: 64, args: {} };
    const stopSoon = ({ calls }: { readonly calls: number }): void => {
      if (calls === 100) controller.abort();
    };
    const options = { side: null, concurrency: 64 };
    const tally = await runBatch(clientOf(gateway, controller.signal), workload, options, stopSoon, controller.signal);
    expect(tally.calls).toBeGreaterThanOrEqual(100);
    expect(tally.calls).toBeLessThan(1_000);
  });
});

describe("NodeClient", () => {
  it("deploys, lists, describes and deletes, and gives problems back as what they were", async () => {
    const gateway = await startGateway({});
    const node = clientOf(gateway);
    const { previousVersion, ...description } = await node.deploy(bundleOf({ name: "fresh" }));
    expect(previousVersion).toBeNull();
    expect(await node.list()).toEqual([description]);
    expect(await node.describe("fresh")).toEqual(description);
    await node.delete("fresh");
    await expect(node.describe("fresh")).rejects.toMatchObject({ name: "LocusError", code: "FUNCTION_NOT_FOUND" });
    await gateway.close();
  });

  it("reads log lines", async () => {
    const gateway = await startGateway({});
    gateway.logs.append(lineOf("khop", "one"));
    const lines = await Array.fromAsync(clientOf(gateway).logs("khop", false));
    expect(lines).toEqual([{ time: expect.any(String), ...lineOf("khop", "one") }]);
    await gateway.close();
  });

  it("says where no node answers, and why", async () => {
    const gateway = await startGateway({});
    await gateway.close();
    const attempt = clientOf(gateway).list();
    await expect(attempt).rejects.toMatchObject({
      code: "NODE_UNAVAILABLE",
      message: expect.stringMatching(/^no node answers at http.* \(a test\): .*ECONNREFUSED/),
    });
  });

  it("says that a node went away in the middle of an answer", async () => {
    const gateway = await startGateway({});
    gateway.logs.append(lineOf("khop", "one"));
    const lines = clientOf(gateway).logs(null, true);
    await lines.next();
    gateway.app.server.closeAllConnections();
    await expect(lines.next()).rejects.toMatchObject({
      code: "NODE_UNAVAILABLE",
      message: expect.stringContaining("went away during its answer"),
    });
    await gateway.close();
  });

  it("says which setting named a port that no HTTP client takes, and which it could be", async () => {
    const client = new NodeClient({ url: "http://127.0.0.1:6000", from: "LOCUS_URL" }, never);
    await expect(client.list()).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(/^LOCUS_URL is "http:\/\/127.0.0.1:6000": .* from 1 to 65535 but/),
    });
  });
});
