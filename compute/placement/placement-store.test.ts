import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import type { Plan } from "#runtime/placement/plan.ts";
import { CONTROLLER_LEASE_KEY } from "../controller/controllership.ts";
import { recordText } from "./messages.ts";
import { PlacementLink } from "./placement-link.ts";
import { PlacementStore } from "./placement-store.ts";
import { PlanWriter } from "./plan-writer.ts";

const PLAN_KEY = "locus:placement:plan";
const RECORDS_KEY = "locus:placement:records";
const NO_RECORDS = new Map<string, string>();

/** A proxy that on demand keeps the answer to one command and hangs up. */
async function startAnswerThief(serverPath: string) {
  const folder = mkdtempSync(join(tmpdir(), "locus-thief-"));
  const path = join(folder, "thief.sock");
  let command: string | null = null;
  const thief = createServer((client) => {
    let isStealing = false;
    const upstream = createConnection(serverPath);
    const hangUp = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on("error", hangUp).on("close", hangUp);
    client.on("data", (data) => {
      if (command !== null && data.toString("latin1").toLowerCase().includes(`\r\n${command}\r\n`)) {
        isStealing = true;
        command = null;
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => (isStealing ? hangUp() : client.write(data)));
  });
  thief.listen(path);
  await once(thief, "listening");
  return {
    path,
    stealNext: (name: string) => (command = name),
    close: async () => {
      await new Promise((resolve) => thief.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const openLink = (path: string, onConnected: () => void): PlacementLink =>
  new PlacementLink({ host: "", port: 0, path, tls: false, database: 0 }, { username: null, password: null }, "me", {
    onConnected,
    onPlan: () => {},
    onRules: () => {},
    onWindow: () => {},
    onQuestion: () => null,
    onRefused: () => {},
  });

async function storeAt(path: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const link = openLink(path, resolve);
  await promise;
  const invalid: string[] = [];
  return { link, invalid, store: new PlacementStore(link.commands, (reason) => invalid.push(reason)) };
}

describe.skipIf(!redisServerExists())("placement in a real server (skipped without one)", () => {
  let server: RedisProcess;
  let other: Redis;
  let link: PlacementLink;
  let store: PlacementStore;
  let invalid: string[];
  beforeAll(async () => {
    server = await startRedis();
    other = new Redis({ path: server.path });
    ({ link, store, invalid } = await storeAt(server.path));
  });
  beforeEach(async () => {
    await other.flushall();
    await other.set(CONTROLLER_LEASE_KEY, "me");
  });
  afterAll(async () => {
    link.close();
    other.disconnect();
    await server.close();
  });

  /** Happens to the lease once the writer has read it. */
  const afterLeaseIsRead = (happens: () => Promise<unknown>): void => {
    const { commands } = link;
    const get = commands.get.bind(commands);
    commands.get = async (key: string) => {
      const holder = await get(key);
      commands.get = get;
      await happens();
      return holder;
    };
  };
  const WALK = { state: "storage", share: 1, probeEvery: 0, backCpuUs: 0, overflowMin: 0, overflowTimes: 0 } as const;
  const change = (version: number) => ({ version, base: version - 1, placements: { walk: WALK }, removed: [] });
  /** In two attempts, as of a writer. */
  const write = (one: Parameters<PlacementStore["writePlan"]>[1], records = NO_RECORDS): Promise<boolean> =>
    store.writePlan("me", one, records, false).catch(() => store.writePlan("me", one, records, true));

  test("the holder of the lease writes the plan, even if the lease is renewed meanwhile", async () => {
    afterLeaseIsRead(() => other.pexpire(CONTROLLER_LEASE_KEY, 60_000));
    expect(await write(change(1))).toBe(true);
    expect(await store.readPlan()).toEqual({ version: 1, placements: new Map([["walk", WALK]]) });
  });

  test.each([
    [
      "another node takes the lease meanwhile",
      async () => afterLeaseIsRead(() => other.set(CONTROLLER_LEASE_KEY, "another")),
    ],
    ["another node holds the lease", () => other.set(CONTROLLER_LEASE_KEY, "another")],
    ["another plan was written", () => other.hset(PLAN_KEY, "@version", "7")],
    ["Redis has lost the plan", () => other.del(PLAN_KEY)],
  ])("the plan is not written if %s", async (_when, happens) => {
    await write(change(1));
    await happens();
    expect(await write(change(2))).toBe(false);
    expect((await store.readPlan()).version).not.toBe(2);
  });

  test("the plan waits while no node holds the lease", async () => {
    await other.del(CONTROLLER_LEASE_KEY);
    await expect(write(change(1))).rejects.toThrow("no node holds the lease");
    await other.set(CONTROLLER_LEASE_KEY, "me");
    expect(await write(change(1))).toBe(true);
  });

  test("a plan that was written without an answer is recognised, and the next one follows it", async () => {
    const proxy = await startAnswerThief(server.path);
    const over = await storeAt(proxy.path);
    const attempts: (boolean | "lost")[] = [];
    const written: Plan[] = [];
    const writer = new PlanWriter({
      found: await over.store.readPlan(),
      followed: 0,
      recordOf: () => null,
      write: async (...args) => {
        const outcome = await over.store.writePlan("me", ...args).catch(() => "lost" as const);
        attempts.push(outcome);
        if (outcome === "lost") throw new Error("lost");
        return outcome;
      },
      onWritten: (plan) => written.push(plan),
      onFailed: () => {},
      onDeposed: () => {},
    });
    const at = (share: number) => new Map([["walk", { ...WALK, share }]]);
    proxy.stealNext("exec");
    writer.want(at(0.25));
    writer.want(at(0.5));
    await vi.waitFor(() => expect(written).toHaveLength(2), { timeout: 20_000 });
    expect(attempts[0]).toBe("lost");
    expect(written.map(({ placements }) => placements)).toEqual([at(0.25), at(0.5)]);
    expect(await store.readPlan()).toEqual(written.at(-1));
    over.link.close();
    await proxy.close();
  });

  test("rules that are stored while the plan is written are kept", async () => {
    let stored: Promise<void> | undefined;
    afterLeaseIsRead(async () => {
      await other.pexpire(CONTROLLER_LEASE_KEY, 60_000);
      stored = store.writeRules("walk", { pinnedShare: 0.25 });
    });
    expect(await write(change(1))).toBe(true);
    await stored;
    expect((await store.readRules()).get("walk")?.pinnedShare).toBe(0.25);
  });

  test("rules are stored after a plan that was not written", async () => {
    await other.set(CONTROLLER_LEASE_KEY, "another");
    expect(await write(change(1))).toBe(false);
    await other.set(CONTROLLER_LEASE_KEY, "a third");
    await store.writeRules("walk", { weight: 3 });
    expect((await store.readRules()).get("walk")?.weight).toBe(3);
  });

  test("a link is connected once commands work as well, and again when their connection is back", async () => {
    const proxy = await startAnswerThief(server.path);
    // The connection of commands is the first: it comes back long after the subscriptions.
    proxy.stealNext("info");
    const replies: Promise<string>[] = [];
    const late = openLink(proxy.path, () => replies.push(late.commands.ping()));
    await vi.waitFor(() => expect(replies).toHaveLength(1), { timeout: 20_000 });
    await replies[0];
    proxy.stealNext("hgetall");
    await expect(late.commands.hgetall(PLAN_KEY)).rejects.toThrow("max retries");
    await vi.waitFor(() => expect(replies).toHaveLength(2), { timeout: 20_000 });
    expect(await Promise.all(replies)).toEqual(["PONG", "PONG"]);
    late.close();
    await proxy.close();
  });

  test.each(["nonsense", "1.5", "-1", "9007199254740993"])("a plan of the version %s is replaced", async (version) => {
    await other.hset(PLAN_KEY, { "@version": version, stale: JSON.stringify(WALK) });
    expect((await store.readPlan()).version).toBe(0);
    expect(await write(change(1))).toBe(true);
    expect([...(await store.readPlan()).placements.keys()]).toEqual(["walk"]);
  });

  test("invalid names of functions are not read", async () => {
    await write(change(1));
    await other.hset(PLAN_KEY, "No Name", JSON.stringify(WALK));
    expect([...(await store.readPlan()).placements.keys()]).toEqual(["walk"]);
  });

  test("records are written with the plan and removed with their function; invalid ones are reported", async () => {
    const why = { kind: "latency", from: 2_000, to: 100, error: 0.1 } as const;
    const moved = { function: "walk", from: "compute", to: "storage", fromShare: 0, toShare: 1 } as const;
    const record: FunctionRecord = {
      counters: { moves: 3, reverts: 1, trials: 4 },
      transitions: [{ ...moved, atMs: 1_800_000_000_000.25, why }],
    };
    await other.hset(RECORDS_KEY, "gone", recordText(record));
    expect(await write(change(1), new Map([["walk", recordText(record)]]))).toBe(true);
    expect(await other.hkeys(RECORDS_KEY)).toEqual(["walk"]);
    await other.hset(RECORDS_KEY, "hash", "nonsense");
    expect(await store.readRecords(new Set(["walk", "hash"]))).toEqual(new Map([["walk", record]]));
    expect(invalid).toEqual([expect.stringContaining("hash")]);
    expect(await store.readRecords(new Set(["climb"]))).toEqual(new Map());
    expect(await write({ version: 2, base: 1, placements: {}, removed: ["walk"] })).toBe(true);
    expect(await other.hkeys(RECORDS_KEY)).toEqual(["hash"]);
  });

  test("windows do not pile up before a silent server", async () => {
    const machine = { id: "m", cpus: [0], cores: 1 };
    const window = {
      node: "n",
      machine,
      stretchMs: 25,
      tallies: [],
      inFlight: 0,
      isolatesMax: 1,
      nodeCores: 0,
      hostCores: 0,
    };
    const subscriber = new Redis({ path: server.path });
    let received = 0;
    subscriber.on("message", () => (received += 1));
    await subscriber.subscribe("locus:placement:windows");
    const sent = Array.from({ length: 100 }, () => link.sendWindow(window));
    await Promise.all(sent);
    await vi.waitFor(() => expect(received).toBeGreaterThan(0));
    await link.sendWindow(window);
    await subscriber.ping();
    expect(received).toBeLessThan(sent.length);
    subscriber.disconnect();
  });
});
