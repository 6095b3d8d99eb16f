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

interface Divides {
  readonly instances?: number | null;
  readonly holder?: StorageThreads;
  readonly threads?: number | null;
}

/** Instances start at once; time is the test's. */
const setUp = ({ instances = INSTANCES, holder, threads = null }: Divides = {}) => {
  const clock = { nowMs: 0 };
  const errors: string[] = [];
  const scheduler = new LiveScheduler({
    policy: KEPT,
    driver: { start: async () => {}, stop: async () => {} },
    nodes: { reserve: () => Promise.reject(new Error("none")), release: async () => {} },
    observer: SILENT,
    now: () => clock.nowMs,
  });
  scheduler.core.nodeCame({ id: "n1", address: "", port: 0, memoryMb: 1e6, cpus: 1e3 }, 0);
  const onError = ({ message }: Error): void => void errors.push(message);
  const loop = new CapacityLoop(scheduler, {
    instances,
    threads: holder === undefined ? null : { holder, total: threads, onError },
  });
  open.push(loop, scheduler);
  const looks = async (count: number): Promise<void> => {
    for (let look = 0; look < count; look++) {
      clock.nowMs += 1_000;
      await loop.look();
    }
  };
  const declare = (key: string, more = {}) => scheduler.core.declare({ key, memoryMb: 100, ...more }, clock.nowMs);
  const acquire = (pool: ReturnType<typeof declare>, count: number) =>
    Promise.all(Array.from({ length: count }, () => scheduler.acquire(pool, Infinity)));
  return { scheduler, clock, errors, looks, declare, acquire };
};

test("functions may use as many instances as they are seen to need, all together no more than there are", async () => {
  const { looks, declare, acquire } = setUp();
  const [steady, greedy] = [declare("steady"), declare("greedy")];
  await acquire(steady, 3);
  await acquire(greedy, 20);
  await looks(12);
  expect([steady.instancesMax, greedy.instancesMax]).toEqual([3, 7]);
});

test("what one needs no more another may have, without a restart, when it is there no more", async () => {
  const { scheduler, looks, declare, acquire } = setUp();
  const [early, late] = [declare("early"), declare("late")];
  const held = await acquire(early, 9);
  await looks(12);
  await acquire(late, 1);
  await looks(1);
  const waiting = acquire(late, 6);
  await looks(5);
  expect(late.live).toBe(1);
  for (const instance of held) scheduler.release(instance, { executionMs: 1 });
  expect(early.live).toBe(5);
  await looks(60);
  expect(await waiting).toHaveLength(6);
  expect(late.instancesMax).toBeGreaterThanOrEqual(7);
  expect(early.live + late.live).toBeLessThanOrEqual(INSTANCES);
});

test("instances that are lent count as used, and more of them that are wanted in vain are had when others need less", async () => {
  const { scheduler, clock, looks, declare, acquire } = setUp();
  const [lent, rival] = [declare("lent"), declare("rival")];
  const held = await acquire(rival, 20);
  for (let lends = 0; lends < 2; lends++) {
    scheduler.core.lend(await scheduler.acquireToLend(lent, Infinity), "n1", 1e9, clock.nowMs);
  }
  await looks(12);
  expect([lent.instancesMax, rival.instancesMax]).toEqual([2, 8]);
  expect(scheduler.grow(lent, Infinity)).toBeNull();
  await looks(1);
  expect([lent.instancesMax, rival.instancesMax]).toEqual([2, 6]);
  for (const instance of held) scheduler.release(instance, { executionMs: 1 });
  await looks(1);
  expect(lent.instancesMax).toBe(4);
  expect(await scheduler.grow(lent, Infinity)).not.toBeNull();
});

test("what people reserve of a function it has in any case, and what they say anew holds at the next look", async () => {
  const { looks, declare, acquire } = setUp();
  const kept = declare("kept", { reservedInstances: 4 });
  await acquire(declare("greedy"), 20);
  await looks(12);
  expect(kept.instancesMax).toBe(4);
  declare("kept", { instancesMax: 1 });
  declare("greedy", {});
  await looks(1);
  expect([kept.instancesMax, kept.live]).toEqual([1, 1]);
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

test("instances without a total are not divided", async () => {
  const { looks, declare, acquire } = setUp({ instances: null });
  const pool = declare("f");
  const before = pool.instancesMax;
  await acquire(pool, 20);
  await looks(12);
  expect([pool.instancesMax, pool.live]).toEqual([before, 20]);
});

/** Threads with an answer that is the test's. */
const holding = (...functions: readonly Partial<ThreadUse>[]) => {
  const told: Record<string, number>[] = [];
  const state = {
    total: 8,
    functions: functions.map((one, index): ThreadUse => {
      const { busy = 0 } = one;
      return { functionKey: "abc"[index]!, threadsMax: 8, threads: busy, busy, waiting: 0, ...one };
    }),
    failure: null as string | null,
  };
  const holder: StorageThreads = {
    allow: async (allowed) => {
      if (state.failure !== null) throw new Error(state.failure);
      told.push(Object.fromEntries(allowed));
      return state;
    },
  };
  return { state, told, holder };
};

test("threads beside the data are divided in the same way, and said again at every look", async () => {
  const { told, holder } = holding({ busy: 2 }, { busy: 4, waiting: 30 }, { threadsMax: 2, busy: 2, waiting: 9 });
  const { looks } = setUp({ instances: null, holder });
  await looks(12);
  // Who has all that it can have is not named.
  expect(told.at(-1)).toEqual({ a: 2, b: 4 });
  const saidBefore = told.length;
  await looks(3);
  expect(told.slice(saidBefore)).toEqual([told.at(-1), told.at(-1), told.at(-1)]);
});

test("nobody is told of threads that are enough for all, and a total that is set bounds what there is room for", async () => {
  const functions = [
    { threadsMax: 4, busy: 4, waiting: 9 },
    { threadsMax: 4, busy: 1 },
  ] as const;
  const free = holding(...functions);
  await setUp({ instances: null, holder: free.holder, threads: 100 }).looks(3);
  expect(free.told).toEqual([{}, {}, {}]);
  const scarce = holding(...functions);
  await setUp({ instances: null, holder: scarce.holder, threads: 4 }).looks(12);
  expect(scarce.told.at(-1)).toEqual({ a: 3, b: 1 });
});

test("threads are divided anew where there is room for another number of them", async () => {
  const { state, told, holder } = holding({ busy: 4, waiting: 4 }, { busy: 4, waiting: 4 });
  const { looks } = setUp({ instances: null, holder });
  await looks(2);
  expect(told.at(-1)).toEqual({ a: 4, b: 4 });
  state.total = 6;
  await looks(1);
  expect(told.at(-1)).toEqual({ a: 3, b: 3 });
});

test("a holder of threads that does not answer is asked at every look, is told of once for each reason, and keeps no instances waiting", async () => {
  const { state, told, holder } = holding({ busy: 1 });
  const { errors, looks, declare, acquire } = setUp({ holder });
  const pool = declare("f");
  await acquire(pool, 1);
  state.failure = "no answer";
  await looks(3);
  state.failure = "no right";
  await looks(2);
  expect(errors).toEqual(["no answer", "no right"]);
  expect(pool.instancesMax).toBe(INSTANCES);
  state.failure = null;
  await looks(1);
  expect(told).toHaveLength(1);
  state.failure = "no right";
  await looks(1);
  expect(errors).toHaveLength(3);
});
