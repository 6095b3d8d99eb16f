// A node that takes over from a plan as it stands, over a real Redis with the module, that cannot know yet what is deployed, or whose Redis forgets.

import { afterEach, describe, expect, it, vi } from "vitest";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { bundleOf, deploy, logged, metric, said } from "./node-client.ts";

const LONG = { timeout: 60_000 };
const PLAN_KEY = "locus:placement:plan";
const AT_STORAGE = {
  state: "storage",
  share: 1,
  probeEvery: 100,
  backCpuUs: 0,
  overflowMin: 0,
  overflowTimes: 0,
} as const;

const walk = bundleOf("walk", ({ redis }) => redis.get("nothing"));

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
const startNode = (
  redis: RedisServer,
  settings: Record<string, string>,
  options: { readonly ready: boolean },
): Promise<NodeProcess> => startNodeOver(redis, (node) => closing.push(() => node.end("SIGTERM")), settings, options);

describe("a node that takes over", () => {
  /** With a function that an earlier controller had put at storage. */
  const startPlanned = async (placement: object): Promise<RedisServer> => {
    const redis = await startRedisServer();
    closing.push(() => redis.close());
    const earlier = await startNode(redis, { LOCUS_PLACEMENT: "declared" }, { ready: true });
    await deploy(earlier, walk);
    await earlier.end("SIGTERM");
    const fields = { "@version": 5 * 2 ** 24, walk: JSON.stringify(placement) };
    await redis.client().hset(PLAN_KEY, fields);
    return redis;
  };
  const plannedShare = async (redis: RedisServer): Promise<unknown> => {
    const text = await redis.client().hget(PLAN_KEY, "walk");
    return text === null ? null : (JSON.parse(text) as { readonly share: unknown }).share;
  };

  it("decides nothing before it knows what is deployed: the plan is no other then", async () => {
    const redis = await startPlanned(AT_STORAGE);
    const admin = redis.client();
    await admin.call("ACL", "SETUSER", "default", "-locus.function|list");
    const node = await startNode(redis, {}, { ready: false });
    const hindered = (): boolean =>
      logged(node).some(
        ({ msg, reason }) => msg === "placement is hindered" && String(reason).includes("cannot control"),
      );
    await vi.waitFor(() => expect(hindered()).toBe(true), LONG);
    expect(await metric(node, "locus_placement_controls")).toBe(0);
    expect(await plannedShare(redis)).toBe(1);
    await admin.call("ACL", "SETUSER", "default", "+locus.function|list");
    await vi.waitFor(async () => expect(await metric(node, "locus_placement_controls")).toBe(1), LONG);
    // What it decides next is written onto the plan as it stood.
    await deploy(
      node,
      bundleOf("other", () => 1),
    );
    await vi.waitFor(async () => expect(await admin.hget(PLAN_KEY, "other")).not.toBeNull(), LONG);
    expect(await plannedShare(redis)).toBe(1);
  });

  it("from one that died in a trial goes on from what there was before it, called or not", async () => {
    const redis = await startPlanned({ ...AT_STORAGE, state: "probing", probeEvery: 0, fromShare: 0.25 });
    const node = await startNode(redis, {}, { ready: true });
    await vi.waitFor(async () => expect(await plannedShare(redis)).toBe(0.25), LONG);
    // The module is told no more than it reads.
    const told = async (): Promise<unknown> => JSON.parse(String(await redis.client().call("LOCUS.PLAN", "GET")));
    await vi.waitFor(async () => expect(await told()).toMatchObject({ placements: { walk: { share: 0.25 } } }), LONG);
    expect(await metric(node, "locus_placement_controls")).toBe(1);
  });

  it("goes on with what it has decided where all of Redis is flushed", async () => {
    const redis = await startPlanned(AT_STORAGE);
    const node = await startNode(redis, {}, { ready: true });
    await vi.waitFor(async () => expect(await metric(node, "locus_placement_controls")).toBe(1), LONG);
    const admin = redis.client();
    await admin.flushall();
    await deploy(
      node,
      bundleOf("other", () => 1),
    );
    await vi.waitFor(async () => expect(await admin.hget(PLAN_KEY, "other")).not.toBeNull(), LONG);
    expect(await plannedShare(redis)).toBe(1);
    expect(said(node).filter((message) => message.startsWith("this node controls placement"))).toEqual([
      "this node controls placement",
    ]);
  });
});
