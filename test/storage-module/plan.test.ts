// LOCUS.PLAN: what is taken as a plan, what is shown, what outlives what. How calls obey it: handed-calls.test.ts.

import type { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";

import type { Placement, PlacementState } from "#runtime/placement/plan.ts";
import { readInfo } from "#test/module-info.ts";
import { type RedisServer, type RedisServerOptions, startRedisServer } from "#test/redis-server.ts";
import { until } from "./scripted-host.ts";

const servers: RedisServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0).toReversed()) await server.close();
});
const start = async (options: RedisServerOptions = {}): Promise<RedisServer> => {
  const server = await startRedisServer(options);
  servers.push(server);
  return server;
};

interface Plan {
  readonly version: number;
  readonly placements: Readonly<Record<string, Placement>>;
}

const NONE: Plan = { version: 0, placements: {} };
const placement = (state: PlacementState, share: number, probeEvery = 0): Placement => ({
  state,
  share,
  probeEvery,
  backCpuUs: 0,
  overflowMin: share > 0 ? 3 : 0,
  overflowTimes: share,
});
const set = (client: Redis, plan: Plan): Promise<unknown> => client.call("LOCUS.PLAN", "SET", JSON.stringify(plan));
const get = async (client: Redis): Promise<Plan> => JSON.parse(String(await client.call("LOCUS.PLAN", "GET"))) as Plan;

test("a plan is shown as it was given, in every state that there is", async () => {
  const client = (await start()).client();
  expect(await get(client)).toEqual(NONE);
  const states: Record<PlacementState, number> = {
    profiling: 0,
    compute: 0,
    storage: 1,
    split: 0.123456789012345,
    probing: 1e-9,
    pinned: 1,
  };
  const placements = Object.fromEntries(
    Object.entries(states).map(([state, share], index) => [
      `f-${state}`,
      placement(state as PlacementState, share, index),
    ]),
  );
  const plan = { version: 2 ** 52, placements };
  expect(await set(client, plan)).toEqual(["taken", plan.version]);
  expect(await get(client)).toEqual(plan);
  const info = await readInfo(client);
  expect([info.get("plan_version"), info.get("plan_functions")]).toEqual([String(plan.version), "6"]);
});

test("only a later plan is followed, and what is kept is said", async () => {
  const client = (await start()).client();
  const first = { version: 10, placements: { f: placement("compute", 0) } };
  expect(await set(client, first)).toEqual(["taken", 10]);
  for (const version of [1, 9, 10]) expect(await set(client, { ...NONE, version })).toEqual(["kept", 10]);
  expect(await get(client)).toEqual(first);
  expect(await set(client, { ...NONE, version: 11 })).toEqual(["taken", 11]);
  expect(await get(client)).toEqual({ ...NONE, version: 11 });
});

test("a plan of which any part cannot be used changes nothing, and the message names the part", async () => {
  const client = (await start()).client();
  const plan = { version: 1, placements: { f: placement("compute", 0) } };
  await set(client, plan);
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["", /JSON object with version and placements/],
    ["{", /JSON object/],
    [`{"version":2,"placements":{}}\0`, /JSON object/],
    [JSON.stringify({ version: 2, placements: {}, controller: "a" }), /nothing else/],
    [JSON.stringify({ version: 0, placements: {} }), /version is "0"/],
    [JSON.stringify({ version: 2, placements: { G: placement("split", 1) } }), /"G" is no function's name/],
    [JSON.stringify({ version: 2, placements: { g: { ...placement("split", 1), state: "x" } } }), /of "g" the state/],
    [JSON.stringify({ version: 2, placements: { g: placement("split", 1.5) } }), /of "g" the share is "1.5"/],
    [JSON.stringify({ version: 2, placements: { g: placement("split", 1, -1) } }), /of "g" probeEvery is "-1"/],
    [`{"version":2,"placements":${'{"a":'.repeat(100_000)}`, /JSON object/],
    [" ".repeat(1024 * 1024 + 1), /has 1048577 bytes/],
  ];
  for (const [text, message] of wrong) {
    await expect(client.call("LOCUS.PLAN", "SET", text)).rejects.toThrow(/^ERR the plan cannot be used: /);
    await expect(client.call("LOCUS.PLAN", "SET", text)).rejects.toThrow(message);
  }
  expect(await get(client)).toEqual(plan);
});

test("a plan is this server's only: its replica has none until it is told, and a restart forgets it", async () => {
  const primary = await start();
  const replica = await start({ replicaOf: primary });
  const [one, other] = [primary.client(), replica.client()];
  await until(async () => (await other.info("replication")).includes("master_link_status:up"));
  const plan = { version: 3, placements: { f: placement("compute", 0) } };
  await set(one, plan);
  await one.set("marker", "1");
  await until(async () => (await other.exists("marker")) === 1);
  expect(await get(other)).toEqual(NONE);
  expect(await set(other, { ...plan, version: 1 })).toEqual(["taken", 1]);
  await one.save();
  await primary.restart();
  expect(await get(primary.client())).toEqual(NONE);
});

test("showing and setting are rights of their own", async () => {
  const server = await start();
  await server.client().acl("SETUSER", "viewer", "on", "nopass", "+locus.plan|get");
  const viewer = server.client({ username: "viewer", password: "x" });
  expect(await get(viewer)).toEqual(NONE);
  await expect(set(viewer, { ...NONE, version: 1 })).rejects.toThrow(/^NOPERM/);
});
