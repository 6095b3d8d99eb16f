// What moving and computing cost here is measured by whoever decides, over a real Redis, where that has nothing else to do. Until then what an
// earlier one has measured holds, and before anybody has, what is usual; but for the network, which is measured all the same.

import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { childrenRunning, send } from "#bench/harness/processes.ts";
import type { PlacementOverview } from "#compute/placement/answers.ts";
import { startDelayProxy } from "#bench/placement/delay-proxy.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS, DEFAULT_ROUND_TRIP_US } from "#runtime/placement/default-constants.ts";
import { startNodeOver, type NodeProcess } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { said } from "./node-client.ts";

const LONG = { timeout: 60_000 };
/** Three attempts, two of which wait half a minute each for a host that comes up. */
const THREE_ATTEMPTS = { timeout: 100_000 };
const CONSTANTS_KEY = "locus:placement:constants";
const ROUND_TRIP_US = 1_000;
/** Redis may only have it longer. */
const MORE_US_MIN = ROUND_TRIP_US - DEFAULT_ROUND_TRIP_US;
/** A calibration takes nine tenths of a second; a host that has ended soon after the one before it comes back later each time. */
const DYING_EVERY_MS = 400;
const BUSY = "local mixed = 0 for turn = 1, 300000 do mixed = (mixed * 31 + turn) % 1000003 end return mixed";

/** Does so over and over, for as long as this is used. */
function kept(turn: () => Promise<unknown>): AsyncDisposable {
  const over = new AbortController();
  const work = (async () => {
    while (!over.signal.aborted) await turn();
  })();
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await work;
    },
  };
}

/** Somebody else has Redis compute. */
function keptBusy(redis: RedisServer): AsyncDisposable {
  const client = redis.client();
  return kept(() => client.eval(BUSY, 0));
}

/** One of that process' sandbox hosts ends, wherever there is one again. */
const keptDying = (ofPid: () => number): AsyncDisposable =>
  kept(async () => {
    const [host] = childrenRunning(ofPid(), "/build/host.mjs");
    if (host !== undefined) send(host, "SIGKILL");
    await sleep(DYING_EVERY_MS);
  });

const knownTo = async (node: NodeProcess): Promise<Pick<PlacementOverview, "constants" | "constantsFrom">> => {
  const { constants, constantsFrom } = (await (await fetch(`${node.url}/v1/placement`)).json()) as PlacementOverview;
  return { constants, constantsFrom };
};
const measuredBy = (node: NodeProcess) =>
  vi.waitFor(async () => {
    const { constants, constantsFrom } = await knownTo(node);
    expect(constantsFrom).toBe("measured");
    return constants;
  }, LONG);

/** A Redis at the end of a way of a millisecond, there and back, and nodes that reach it by that. */
async function startFar(resources: AsyncDisposableStack) {
  const redis = await startRedisServer();
  resources.defer(() => redis.close());
  const port = await startDelayProxy(redis.port, ROUND_TRIP_US, resources);
  const settings = { LOCUS_REDIS_PORT: String(port), LOCUS_LOG_LEVEL: "debug" };
  const startNode = (): Promise<NodeProcess> =>
    startNodeOver(redis, (node) => resources.defer(() => node.end("SIGTERM")), settings);
  return { redis, startNode };
}

/** It has tried, and others were at work. */
const isPutOff = (node: NodeProcess) =>
  vi.waitFor(
    () =>
      expect(said(node)).toContain(
        "not calibrated yet: others are at work, a sandbox host has ended meanwhile, or storage is off",
      ),
    LONG,
  );

/** As that is known that goes by the network, and the rest as it was. */
async function isOfNetwork(node: NodeProcess, { compute, storage }: CostConstants): Promise<void> {
  const known = await vi.waitFor(async () => {
    const { constants, constantsFrom } = await knownTo(node);
    expect(constantsFrom).toBe("network");
    return constants!;
  }, LONG);
  const { roundWaitUs, bytesPerUs } = known.compute;
  const { callWaitUs } = known.storage;
  expect(known).toEqual({ compute: { ...compute, roundWaitUs, bytesPerUs }, storage: { ...storage, callWaitUs } });
  expect(roundWaitUs).toBeGreaterThanOrEqual(DEFAULT_CONSTANTS.compute.roundWaitUs + MORE_US_MIN);
  expect(callWaitUs).toBeGreaterThanOrEqual(DEFAULT_CONSTANTS.storage.callWaitUs + MORE_US_MIN);
  expect(said(node)).toContain("calibrated for the network alone");
}

it("is what is usual over that network, then what was measured, and for the next who decides that, until it has measured anew", async () => {
  await using resources = new AsyncDisposableStack();
  const { redis, startNode } = await startFar(resources);

  let first: NodeProcess;
  {
    await using _busy = keptBusy(redis);
    first = await startNode();
    await isPutOff(first);
    await isOfNetwork(first, DEFAULT_CONSTANTS);
    expect(await redis.client().get(CONSTANTS_KEY)).toBeNull();
  }
  const measured = await measuredBy(first);
  expect(measured?.compute.enterUs).not.toBe(DEFAULT_CONSTANTS.compute.enterUs);
  // A round at compute goes there and back, as a call to storage does; both sides are on one machine.
  expect(measured?.compute.roundWaitUs).toBeGreaterThan(0.9 * ROUND_TRIP_US);
  expect(measured?.storage.callWaitUs).toBeGreaterThan(0.9 * ROUND_TRIP_US);
  expect(measured?.storage.cpuRatio).toBeGreaterThan(1 / 3);
  expect(measured?.storage.cpuRatio).toBeLessThan(3);
  await first.end("SIGTERM");

  let second: NodeProcess;
  {
    await using _busy = keptBusy(redis);
    second = await startNode();
    // It has asked for the network before it is put off once more.
    await vi.waitFor(
      () => expect(said(second).filter((text) => text.startsWith("not calibrated yet"))).toHaveLength(2),
      LONG,
    );
    expect(await knownTo(second)).toEqual({ constants: measured, constantsFrom: "kept" });
  }
  expect(await measuredBy(second)).not.toEqual(measured);
}, 180_000);

it("is what was measured over another network but for what that decides", async () => {
  await using resources = new AsyncDisposableStack();
  const { redis, startNode } = await startFar(resources);
  const { compute, storage } = DEFAULT_CONSTANTS;
  const kept: CostConstants = { compute: { ...compute, callUs: 13 }, storage: { ...storage, callUs: 17 } };
  await redis.client().set(CONSTANTS_KEY, JSON.stringify(kept));
  await using _busy = keptBusy(redis);
  await isOfNetwork(await startNode(), kept);
  // Nobody else is over this one.
  expect(await redis.client().get(CONSTANTS_KEY)).toBe(JSON.stringify(kept));
}, 180_000);

it.each(["compute", "storage"] as const)(
  "is not what was measured while hosts at %s ended: others start in their place",
  async (side) => {
    await using resources = new AsyncDisposableStack();
    const redis = await startRedisServer();
    resources.defer(() => redis.close());
    const node = await startNodeOver(redis, (started) => resources.defer(() => started.end("SIGTERM")), {
      LOCUS_LOG_LEVEL: "debug",
    });
    {
      await using _dying = keptDying(() => (side === "compute" ? node.pid : redis.pid()));
      await vi.waitFor(() => {
        // Put off, or failed where its call was in a host that ended.
        const attempts = said(node).filter((text) => text.startsWith("not calibrated"));
        expect(attempts.length).toBeGreaterThanOrEqual(3);
      }, THREE_ATTEMPTS);
      expect((await knownTo(node)).constantsFrom).not.toBe("measured");
    }
    await measuredBy(node);
  },
  180_000,
);
