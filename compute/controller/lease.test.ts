import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { every } from "#runtime/shared-timer.ts";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { Lease } from "./lease.ts";

const KEY = "lease";

describe.skipIf(!redisServerExists())("a lease in a real server (skipped where there is none)", () => {
  let server: RedisProcess;
  let redis: Redis;
  let other: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis({ path: server.path });
    other = new Redis({ path: server.path });
  });
  beforeEach(async () => void (await other.flushall()));
  afterAll(async () => {
    redis.disconnect();
    other.disconnect();
    await server.close();
  });

  const leaseOf = (holder: string, connection = redis) => {
    const turns: boolean[] = [];
    const lease = new Lease({
      redis: connection,
      key: KEY,
      holder,
      nowMs: () => performance.now(),
      onTurn: (isHeld) => turns.push(isHeld),
      onRefused: () => {},
    });
    return { lease, turns };
  };
  const turned = async ({ lease, turns }: ReturnType<typeof leaseOf>, isHeld: boolean): Promise<void> => {
    const before = turns.length;
    lease.hurry();
    await vi.waitFor(() => expect(turns.slice(before).at(-1)).toBe(isHeld));
    expect(lease.isHeld).toBe(isHeld);
  };

  test("has one holder, and another when that one gives it back", async () => {
    const [one, two] = [leaseOf("one"), leaseOf("two")];
    await turned(one, true);
    await turned(two, false);
    expect(two.lease.holder).toBe("one");
    await one.lease.close();
    await turned(two, true);
    expect(await other.get(KEY)).toBe("two");
    await two.lease.close();
    expect(await other.get(KEY)).toBeNull();
  });

  test("is another's within two seconds of its holder's death", async () => {
    const dying = new Redis({ path: server.path });
    const [one, two] = [leaseOf("one", dying), leaseOf("two")];
    await turned(one, true);
    await turned(two, false);
    // As the end of its process: nothing is given back, and nothing is renewed.
    dying.disconnect();
    const diedMs = performance.now();
    await vi.waitFor(() => expect(two.turns).toContain(true), { interval: 5 });
    expect(performance.now() - diedMs).toBeLessThan(2_000);
    expect(one.lease.isHeld).toBe(false);
    expect(await other.get(KEY)).toBe("two");
    await two.lease.close();
    await one.lease.close();
  });

  test("stays with its holder for as long as that renews it, whoever asks meanwhile", async () => {
    const [one, two] = [leaseOf("one"), leaseOf("two")];
    // A machine that stood still for longer than the lease lasts has cost a turn: from then on anew.
    const isKept = async (): Promise<void> => {
      await turned(one, true);
      const [own, others, fromMs] = [one.turns.length, two.turns.length, performance.now()];
      // By its own turns alone, for more than twice as long as it lasts.
      await vi.waitUntil(() => performance.now() - fromMs > 3_000);
      expect(one.turns.slice(own)).not.toContain(false);
      expect(two.turns.slice(others)).not.toContain(true);
      expect(one.turns.length).toBeGreaterThan(own);
      expect(two.turns.length).toBeGreaterThan(others);
    };
    await vi.waitFor(isKept);
    await two.lease.close();
    await one.lease.close();
  });

  test("is renewed together with what else the process does again and again, and asked for apart from it", async () => {
    const own = new Redis({ path: server.path });
    const asked: (readonly [command: string, together: boolean])[] = [];
    let isTick = false;
    const ticks = every(500, () => {
      isTick = true;
      queueMicrotask(() => (isTick = false));
    });
    const [get, getex] = [own.get.bind(own), own.getex.bind(own) as (...words: unknown[]) => Promise<string | null>];
    own.get = (key: string) => (asked.push(["get", isTick]), get(key));
    own.getex = (...words: unknown[]) => (asked.push(["getex", isTick]), getex(...words));
    const sees = async (command: string, together: boolean): Promise<void> => {
      asked.splice(0);
      await vi.waitFor(() => expect(asked.length).toBeGreaterThanOrEqual(2));
      expect(new Set(asked.map(String))).toEqual(new Set([String([command, together])]));
    };
    await other.set(KEY, "two");
    const one = leaseOf("one", own);
    try {
      await sees("get", false);
      await other.del(KEY);
      await vi.waitFor(() => expect(one.turns.at(-1)).toBe(true));
      await sees("getex", true);
      await other.set(KEY, "two");
      await vi.waitFor(() => expect(one.turns.at(-1)).toBe(false));
      // The renewal that found it gave it an end.
      await other.set(KEY, "two");
      await sees("get", false);
    } finally {
      ticks.stop();
      await one.lease.close();
      own.disconnect();
    }
  });

  test("is no more held as soon as it is seen to be another's", async () => {
    const one = leaseOf("one");
    await turned(one, true);
    await other.set(KEY, "two");
    await turned(one, false);
    await one.lease.close();
    expect(await other.get(KEY)).toBe("two");
  });

  test("that passed to another between question and renewal is not held", async () => {
    // One that was its holder's for longer than this believes: it asks, and then renews it.
    await other.set(KEY, "one");
    const one = leaseOf("one");
    const get = redis.get.bind(redis);
    redis.get = async (key: string) => {
      redis.get = get;
      const holder = await get(key);
      await other.set(KEY, "two");
      return holder;
    };
    await turned(one, false);
    await one.lease.close();
    expect(await other.get(KEY)).toBe("two");
  });

  test("is told to be over while Redis hangs, as soon as it is", async () => {
    const hanging = await startRedis();
    const asking = new Redis({ path: hanging.path });
    const pausing = new Redis({ path: hanging.path });
    const one = leaseOf("one", asking);
    try {
      await turned(one, true);
      await pausing.client("PAUSE", 60_000, "ALL");
      const before = one.turns.length;
      // No question that is asked from now on is answered.
      await vi.waitFor(() => expect(one.turns.slice(before).at(-1)).toBe(false), 30_000);
      expect(one.lease.isHeld).toBe(false);
    } finally {
      await one.lease.close();
      for (const connection of [asking, pausing]) connection.disconnect();
      await hanging.close();
    }
  });

  test("is given up without Redis where that is silent for longer than it lasts", async () => {
    const one = leaseOf("one");
    await turned(one, true);
    await other.client("PAUSE", 60_000, "ALL");
    const answered = other.ping();
    await expect(Promise.race([one.lease.close(), answered])).resolves.toBeUndefined();
    expect(one.lease.isHeld).toBe(false);
    answered.catch(() => {});
  });
});
