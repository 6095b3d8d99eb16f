import { afterEach, expect, test } from "vitest";
import { LiveScheduler, type SchedulerObserver } from "../live-scheduler.ts";
import { fixedKeepAlive } from "../policy/fixed.ts";
import { CapacityLoop, type StorageThreads, type ThreadUse } from "./capacity-loop.ts";

const SILENT: SchedulerObserver = { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} };
const KEPT = { ...fixedKeepAlive("kept", { keepAliveMs: Infinity, lookEveryMs: 0 }), sharesStarts: true };
const INSTANCES = 10;
const open: { close(): void }[] = [];

afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** Instances start at once; time is the test's. */
const setUp = (threads: StorageThreads | null = null) => {
  const clock = { nowMs: 0 };
  const errors: string[] = [];
  const scheduler = new LiveScheduler({
    policy: KEPT,
    driver: { start: async () => {}, stop: async () => {} },
    nodes: { reserve: () => Promise.reject(new Error("none")), release: async () => {} },
    observer: SILENT,
    now: () => clock.nowMs,
  });
  scheduler.core.nodeReserved({ id: "n1", address: "", port: 0, memoryMb: 1e6, cpus: 1e3 }, 0);
  const loop = new CapacityLoop({
    scheduler,
    instances: INSTANCES,
    threads: threads === null ? null : { holder: threads, total: 8 },
    onError: ({ message }) => void errors.push(message),
  });
  open.push(loop, scheduler);
  const looks = async (count: number): Promise<void> => {
    for (let look = 0; look < count; look++) {
      clock.nowMs += 1_000;
      await loop.look();
    }
  };
  const declare = (key: string) => scheduler.core.declare({ key, memoryMb: 100 }, clock.nowMs);
  const acquire = (pool: ReturnType<typeof declare>, count: number) =>
    Promise.all(Array.from({ length: count }, () => scheduler.acquire(pool, Infinity)));
  return { scheduler, errors, looks, declare, acquire };
};

test("functions may use as many instances as they are seen to need, all together no more than there are", async () => {
  const { looks, declare, acquire } = setUp();
  const [steady, greedy] = [declare("steady"), declare("greedy")];
  await acquire(steady, 3);
  await acquire(greedy, 20);
  await looks(12);
  expect([steady.instancesMax, greedy.instancesMax]).toEqual([3, 7]);
});

test("what one needs no more another may have, without a restart", async () => {
  const { scheduler, looks, declare, acquire } = setUp();
  const [early, late] = [declare("early"), declare("late")];
  const held = await acquire(early, 9);
  await looks(12);
  await acquire(late, 1);
  const waiting = acquire(late, 6);
  await looks(1);
  expect(late.instancesMax).toBeLessThan(7);
  for (const instance of held) scheduler.release(instance, { executionMs: 1 });
  await looks(60);
  expect(await waiting).toHaveLength(6);
  expect([early.instancesMax, late.instancesMax]).toEqual([1, expect.toSatisfy((most: number) => most >= 7)]);
});

test("more functions than there are instances have one each, and one that was taken away is forgotten", async () => {
  const { scheduler, errors, looks, declare, acquire } = setUp();
  const pools = Array.from({ length: INSTANCES + 1 }, (_, index) => declare(`f${index}`));
  for (const pool of pools) await acquire(pool, 1);
  await looks(2);
  expect(pools.map(({ instancesMax }) => instancesMax)).toEqual(pools.map(() => 1));
  scheduler.core.remove("f0", scheduler.now());
  scheduler.core.remove("f1", scheduler.now());
  await looks(2);
  expect(pools.slice(2).reduce((sum, { instancesMax }) => sum + instancesMax, 0)).toBe(INSTANCES);
  expect(errors).toEqual([]);
});

test("threads beside the data are divided in the same way, and a holder that does not answer is asked again", async () => {
  const uses: ThreadUse[] = [
    { functionKey: "a", threadsMax: 8, busy: 2, waiting: 0 },
    { functionKey: "b", threadsMax: 8, busy: 4, waiting: 30 },
    { functionKey: "c", threadsMax: 2, busy: 2, waiting: 9 },
  ];
  const allowed = new Map<string, number>();
  let answers = false;
  const { errors, looks } = setUp({
    look: async () => {
      if (!answers) throw new Error("no answer");
      return uses;
    },
    allow: async (key, threads) => void allowed.set(key, threads),
  });
  await looks(1);
  expect([errors, allowed.size]).toEqual([["no answer"], 0]);
  answers = true;
  await looks(12);
  expect(Object.fromEntries(allowed)).toEqual({ a: 2, b: 4, c: 2 });
});
