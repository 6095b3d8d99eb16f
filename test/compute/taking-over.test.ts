// A node that takes over from a plan as it stands, over a real Redis with the module, that cannot know yet what is deployed, or whose Redis forgets.

import { afterEach, describe, expect, it, vi } from "vitest";
import { startDelayProxy } from "#bench/placement/delay-proxy.ts";
import type { Explanation } from "#runtime/placement/explanation.ts";
import type { Transition } from "#runtime/placement/transition.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { bundleOf, deploy, logged, metric } from "./node-client.ts";

const LONG = { timeout: 60_000 };
const PLAN_KEY = "locus:placement:plan";
const RECORDS_KEY = "locus:placement:records";
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

/** Sixty-four round trips at compute, a look into memory each at storage. */
const climb = bundleOf("climb", async ({ redis }) => {
  for (let step = 0; step < 64; step++) await redis.get("nothing");
});
/** To Redis and back: so far that what climbs belongs to its data however busy this machine is. */
const ROUND_TRIP_US = 2_000;

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
    await admin.call("ACL", "SETUSER", "default", "-locus.function|changes");
    const node = await startNode(redis, {}, { ready: false });
    const hindered = (): boolean =>
      logged(node).some(
        ({ msg, reason }) => msg === "placement is hindered" && String(reason).includes("cannot control"),
      );
    await vi.waitFor(() => expect(hindered()).toBe(true), LONG);
    expect(await metric(node, "locus_placement_controls")).toBe(0);
    expect(await plannedShare(redis)).toBe(1);
    await admin.call("ACL", "SETUSER", "default", "+locus.function|changes");
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

  it("from one that died at once tells what that has told, and goes on counting", async () => {
    const redis = await startRedisServer();
    closing.push(() => redis.close());
    const resources = new AsyncDisposableStack();
    closing.push(() => resources.disposeAsync());
    const port = await startDelayProxy(redis.port, ROUND_TRIP_US, resources);
    const far = { LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: String(port) };
    const first = await startNode(redis, far, { ready: true });
    await vi.waitFor(async () => expect(await metric(first, "locus_placement_controls")).toBe(1), LONG);
    const heir = await startNode(redis, far, { ready: true });
    await deploy(first, climb);
    await deploy(first, walk);
    const explain = async (node: NodeProcess, name: string) =>
      (await (await fetch(`${node.url}/v1/placement/${name}`)).json()) as Explanation;
    const pinned = await fetch(`${first.url}/v1/placement/walk`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: '{"pin":0.5}',
    });
    expect(pinned.status).toBe(200);
    await vi.waitFor(async () => {
      await fetch(`${first.url}/v1/functions/climb/invocations`, { method: "POST" });
      expect((await explain(first, "climb")).moves).toBeGreaterThan(0);
      expect((await explain(first, "walk")).state).toBe("pinned");
    }, LONG);
    // With its next plan, which may come at any moment, all of it is written.
    const told = async (): Promise<string | null> => redis.client().hget(RECORDS_KEY, "climb");
    await vi.waitFor(async () => expect(JSON.parse((await told()) ?? "{}").moves).toBeGreaterThan(0), LONG);
    const before = { climb: await explain(first, "climb"), walk: await explain(first, "walk") };
    const isMove = ({ why }: Transition): boolean => why.kind === "latency" || why.kind === "capacity";
    await first.end("SIGKILL");
    await vi.waitFor(async () => expect(await metric(heir, "locus_placement_controls")).toBe(1), LONG);
    const since = { climb: await explain(heir, "climb"), walk: await explain(heir, "walk") };
    for (const count of ["moves", "reverts", "trials"] as const) {
      expect(since.climb[count]).toBeGreaterThanOrEqual(before.climb[count]);
    }
    expect(await metric(heir, 'locus_placement_moves_total{function="climb"}')).toBe(since.climb.moves);
    expect(since.climb.transitions).toContainEqual(before.climb.transitions.findLast(isMove));
    expect(since.climb.transitions.at(-1)).toMatchObject({
      to: "profiling",
      why: { kind: "resumed", sinceLastMs: expect.toSatisfy((ms: number) => ms > 0) },
    });
    expect(since.walk).toMatchObject({ state: "pinned", transitions: before.walk.transitions });
    await fetch(`${heir.url}/v1/functions/climb`, { method: "DELETE" });
    await vi.waitFor(async () => expect(await redis.client().hkeys(RECORDS_KEY)).toEqual(["walk"]), LONG);
  });

  it("is hindered by nothing that is written where that is told", async () => {
    const redis = await startPlanned(AT_STORAGE);
    await redis.client().hset(RECORDS_KEY, "walk", '{"moves":"many"}');
    const node = await startNode(redis, {}, { ready: true });
    await vi.waitFor(async () => expect(await metric(node, "locus_placement_controls")).toBe(1), LONG);
    const reasons = logged(node).flatMap(({ msg, reason }) => (msg === "placement is hindered" ? [reason] : []));
    expect(reasons).toEqual(["the field walk of locus:placement:records is invalid and is ignored"]);
    // It tells of its own anew.
    const told = async (): Promise<unknown> => JSON.parse((await redis.client().hget(RECORDS_KEY, "walk")) ?? "null");
    await vi.waitFor(
      async () =>
        expect(await told()).toMatchObject({
          moves: 0,
          transitions: [{ from: "storage", to: "profiling", why: { kind: "resumed", sinceLastMs: null } }],
        }),
      LONG,
    );
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
  });
});
