import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { PlacementLink } from "./placement-link.ts";

const ignored = (): void => {};

describe.skipIf(!redisServerExists())("a plan in a real server (skipped where there is none)", () => {
  let server: RedisProcess;
  let other: Redis;
  let link: PlacementLink;
  beforeAll(async () => {
    server = await startRedis();
    other = new Redis({ path: server.path });
    const connected = Promise.withResolvers<void>();
    const address = { host: "", port: 0, path: server.path, tls: false, database: 0 };
    link = new PlacementLink(address, { username: null, password: null }, "me", {
      onConnected: connected.resolve,
      onPlan: ignored,
      onRules: ignored,
      onAnswer: ignored,
      onWindow: ignored,
      onQuestion: ignored,
      onRefused: ignored,
    });
    await connected.promise;
  });
  afterAll(async () => {
    link.close();
    other.disconnect();
    await server.close();
  });

  /** Something that happens to the lease once a writer has seen whose it is. */
  const afterItWasSeen = (happens: () => Promise<unknown>): void => {
    const { commands } = link;
    const get = commands.get.bind(commands);
    commands.get = async (key: string) => {
      const holder = await get(key);
      commands.get = get;
      await happens();
      return holder;
    };
  };
  const change = (version: number) => ({
    version,
    base: version - 1,
    placements: { walk: { state: "storage", share: 1, probeEvery: 0 } } as const,
    removed: [],
  });

  test("is written by who holds the lease, also where it was renewed meanwhile", async () => {
    await other.set(link.leaseKey, "me");
    afterItWasSeen(() => other.pexpire(link.leaseKey, 60_000));
    expect(await link.writePlan("me", change(1))).toBe(true);
    expect(await link.readPlan()).toEqual({ version: 1, placements: new Map([["walk", change(1).placements.walk]]) });
  });

  test("is not written by who has lost it, before or meanwhile", async () => {
    await other.set(link.leaseKey, "me");
    afterItWasSeen(() => other.set(link.leaseKey, "another"));
    expect(await link.writePlan("me", change(2))).toBe(false);
    expect(await link.writePlan("me", change(2))).toBe(false);
    expect((await link.readPlan()).version).toBe(1);
  });
});
