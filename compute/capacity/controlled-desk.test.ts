import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { CONTROLLER_LEASE_KEY, Controllership } from "../controller/controllership.ts";
import { ControlledDesk, readEndpoint } from "./controlled-desk.ts";

const STATE_KEY = "locus:controller:scheduler";
const log = { warn: () => {} };

describe.skipIf(!redisServerExists())(
  "what the controller's scheduler keeps in Redis (skipped where there is none)",
  () => {
    let server: RedisProcess;
    let redis: Redis;
    beforeAll(async () => {
      server = await startRedis();
      redis = new Redis({ path: server.path });
    });
    beforeEach(async () => void (await redis.flushall()));
    afterAll(async () => {
      redis.disconnect();
      await server.close();
    });

    const opened = async (write: (key: string, text: string) => Promise<boolean>): Promise<ControlledDesk> =>
      ControlledDesk.open({
        redis,
        write,
        endpoint: { node: "own", address: "here", port: 1 },
        sharedSecret: null,
        policy: "forecast",
        instancesMax: null,
        storageThreadsMax: null,
        observer: { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} },
        connect: () => ({ createContainer: () => Promise.reject(new Error("none")), removeContainer: async () => {} }),
        log,
      });

    test("is where it listens and what it has learned, and of both nothing once another controls", async () => {
      const controllership = new Controllership({
        address: { host: "", port: 0, path: server.path, tls: false, database: 0 },
        user: { username: null, password: null },
        log,
        nowMs: () => performance.now(),
      });
      const write = (key: string, text: string): Promise<boolean> => controllership.write(key, text);
      try {
        await vi.waitFor(() => expect(controllership.isHeld).toBe(true), 10_000);
        const desk = await opened(write);
        expect(await readEndpoint(redis)).toEqual({ node: "own", address: "here", port: 1 });
        await desk.close();
        expect(JSON.parse((await redis.get(STATE_KEY)) ?? "")).toMatchObject({ policy: "forecast" });
        await redis.flushall();
        await redis.set(CONTROLLER_LEASE_KEY, "another");
        await (await opened(write)).close();
        expect([await readEndpoint(redis), await redis.get(STATE_KEY)]).toEqual([null, null]);
      } finally {
        await controllership.close();
      }
    });
  },
);
