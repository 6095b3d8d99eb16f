import { array, assert, boolean, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";

import { fixedKeepAlive } from "../policy/fixed.ts";
import type { FunctionPolicy, Policy } from "../policy/policy.ts";
import { RecordedEffects } from "../recorded-effects.ts";
import { Scheduler } from "../scheduler.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { HolderWaits, LeaseCalls } from "./lease-calls.ts";
import type { Lease } from "./lease.ts";

const NODE = { id: "n1", address: "", port: 0, memoryMb: 1_000, cpus: 8 };
const KEPT = fixedKeepAlive("kept", { keepAliveMs: 10_000, lookEveryMs: 0 });
const TTL_MS = 1e9;

type Told = readonly ["came" | "ended" | "left" | "waited", number, number?];

/** What the policy hears, beside what it decides. */
const setUp = () => {
  const told: Told[] = [];
  const policy: Policy = {
    ...KEPT,
    sharesStarts: true,
    follow: (facts, nowMs) => {
      const kept = KEPT.follow(facts, nowMs);
      const hears: Partial<FunctionPolicy> = {
        arrived: (atMs) => void told.push(["came", atMs]),
        ended: (executionMs, atMs) => void told.push(["ended", atMs, executionMs]),
        left: (atMs) => void told.push(["left", atMs]),
        waited: (waitMs, atMs) => void (waitMs > 0 && told.push(["waited", atMs, waitMs])),
        keepAliveMs: (idle, atMs) => kept.keepAliveMs(idle, atMs),
        startsFor: () => 1,
        nextPlanMs: () => Infinity,
        reconsiderAtMs: () => Infinity,
      };
      return Object.assign(Object.create(kept) as FunctionPolicy, hears);
    },
  };
  const effects = new RecordedEffects();
  const scheduler = new Scheduler<string>(policy, effects);
  scheduler.nodeCame(NODE, 0);
  const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
  const lend = (id: string, nowMs: number): Lease =>
    scheduler.lend(scheduler.adopt(id, "f", "n1", nowMs), "n1", TTL_MS, nowMs);
  const hear = (): readonly Told[] => told.splice(0);
  return { scheduler, effects, pool, lend, hear };
};
const calls = (lease: Lease, more: Partial<LeaseCalls>): LeaseCalls => ({
  lease,
  ended: 0,
  executionMs: 0,
  usedMs: 0,
  usedSinceMs: 0,
  unusedSinceMs: 0,
  waitedMs: 0,
  ...more,
});
const waits = (pool: FunctionPool, more: Partial<HolderWaits>): HolderWaits => ({
  pool,
  holder: "n1",
  waiting: 0,
  left: 0,
  leftWaitMs: 0,
  ...more,
});

describe("calls on leases", () => {
  test("are taken to have run and waited no longer than they may, whatever their holder says", () => {
    const { scheduler, pool, lend, hear } = setUp();
    const lease = lend("x", 100);
    const much = { ended: 1, executionMs: 1e12, usedMs: 1e12, usedSinceMs: 500, unusedSinceMs: 1_000, waitedMs: 1e12 };
    scheduler.leasesUsed([calls(lease, much)], [], 1_000);
    const { timeoutMs } = pool.config;
    expect(hear().slice(1)).toEqual([
      ["waited", 100, timeoutMs],
      ["ended", 1_000, timeoutMs],
    ]);
  });

  test("are told as they came and ended, and the lease itself is none", () => {
    const { scheduler, lend, hear } = setUp();
    const lease = lend("x", 100);
    scheduler.leasesUsed([calls(lease, {})], [], 500);
    const one = { ended: 1, executionMs: 5, usedMs: 5, usedSinceMs: 620, unusedSinceMs: 625 };
    scheduler.leasesUsed([calls(lease, one)], [], 1_000);
    const two = { ended: 2, executionMs: 10, usedMs: 10, usedSinceMs: 1_010, unusedSinceMs: 1_405 };
    scheduler.leasesUsed([calls(lease, two)], [], 1_500);
    scheduler.returnLease(lease, 3_000);
    expect(hear()).toEqual([
      ["came", 620],
      ["ended", 625, 5],
      ["came", 1_010],
      ["ended", 1_015, 5],
      ["came", 1_400],
      ["ended", 1_405, 5],
    ]);
  });

  test("that wait for a lease came when it was asked for, each once, and waited until they came to run there", () => {
    const { scheduler, effects, pool, hear } = setUp();
    scheduler.callsWait(pool, "n1", 1, 1_000);
    scheduler.callsWait(pool, "n1", 2, 1_010);
    scheduler.acquireToLend(pool, "a", Infinity, 1_010);
    scheduler.callsWait(pool, "n1", 2, 1_200);
    scheduler.instanceStarted(effects.starting[0]!, 1_300);
    const lease = scheduler.lend(effects.grants.get("a")!, "n1", TTL_MS, 1_300);
    const one = { ended: 1, executionMs: 5, usedMs: 5, usedSinceMs: 1_301, unusedSinceMs: 1_306, waitedMs: 301 };
    scheduler.leasesUsed([calls(lease, one)], [waits(pool, { waiting: 1 })], 1_500);
    const next = { ended: 1, executionMs: 50, usedMs: 50, usedSinceMs: 1_510, unusedSinceMs: 1_560, waitedMs: 500 };
    scheduler.leasesUsed([calls(lease, next)], [waits(pool, {})], 2_000);
    expect(hear()).toEqual([
      ["came", 1_000],
      ["came", 1_010],
      ["waited", 1_300, 301],
      ["ended", 1_306, 5],
      ["waited", 1_500, 500],
      ["ended", 1_560, 50],
    ]);
    expect(pool.awaited.size).toBe(0);
  });

  test("that leave without an instance have waited as well, no longer than they may run", () => {
    const { scheduler, pool, hear } = setUp();
    scheduler.callsWait(pool, "n1", 2, 1_000);
    // One came after that and has left as well, and of one nobody says what it came to.
    scheduler.leasesUsed([], [waits(pool, { left: 2, leftWaitMs: 300, waiting: 1 })], 1_500);
    expect(hear()).toEqual([
      ["came", 1_000],
      ["came", 1_000],
      ["waited", 1_500, 300],
      ["left", 1_500],
      ["waited", 1_500, 300],
      ["left", 1_500],
      ["came", 1_500],
    ]);
    scheduler.leasesUsed([], [waits(pool, { left: 1, leftWaitMs: 1e12 })], 2_000);
    scheduler.callsWait(pool, "n2", 1, 2_000);
    scheduler.leasesUsed([], [waits(pool, {})], 2_100);
    scheduler.leasesUsed([], [{ ...waits(pool, {}), holder: "n2" }], 2_200);
    expect(hear()).toEqual([
      ["waited", 2_000, pool.config.timeoutMs],
      ["left", 2_000],
      ["came", 2_000],
      ["left", 2_200],
    ]);
    expect(pool.awaited.size).toBe(0);
  });

  test("that waited for their lease came before they ran, and not before what was told last", () => {
    const { scheduler, lend, hear } = setUp();
    const lease = lend("x", 100);
    const two = { ended: 2, executionMs: 200, usedMs: 200, usedSinceMs: 1_000, unusedSinceMs: 1_200, waitedMs: 100 };
    scheduler.leasesUsed([calls(lease, two)], [], 1_500);
    expect(hear()).toEqual([
      ["came", 950],
      ["waited", 950, 50],
      ["came", 1_050],
      ["waited", 1_050, 50],
      ["ended", 1_100, 100],
      ["ended", 1_200, 100],
    ]);
    const one = { ended: 1, executionMs: 20, usedMs: 20, usedSinceMs: 1_510, unusedSinceMs: 1_530, waitedMs: 1_400 };
    scheduler.leasesUsed([calls(lease, one)], [], 2_000);
    expect(hear()).toEqual([
      ["came", 1_500],
      ["waited", 1_500, 1_400],
      ["ended", 1_530, 20],
    ]);
  });

  test("that run on are told of when they end", () => {
    const { scheduler, lend, hear } = setUp();
    const lease = lend("x", 0);
    scheduler.leasesUsed([calls(lease, { usedMs: 200, usedSinceMs: 300, unusedSinceMs: null })], [], 500);
    scheduler.leasesUsed([calls(lease, { usedMs: 500, usedSinceMs: 500, unusedSinceMs: null })], [], 1_000);
    const last = { ended: 1, executionMs: 1_100, usedMs: 400, usedSinceMs: 1_000, unusedSinceMs: 1_400 };
    scheduler.leasesUsed([calls(lease, last)], [], 1_500);
    expect(hear()).toEqual([
      ["came", 300],
      ["ended", 1_400, 1_100],
    ]);
  });

  test("that overlap are as many as would take as long one after another", () => {
    const { scheduler, lend, hear } = setUp();
    const lease = lend("x", 0);
    // Sixteen at once, ten times over.
    const many = { ended: 160, executionMs: 1_600, usedMs: 100, usedSinceMs: 100, unusedSinceMs: 200 };
    scheduler.leasesUsed([calls(lease, many)], [], 500);
    const ended = hear().filter(([what]) => what === "ended");
    expect(ended).toHaveLength(10);
    expect(new Set(ended.map(([, , executionMs]) => executionMs))).toEqual(new Set([10]));
    expect(ended.at(-1)![1]).toBe(200);
  });

  test("have waited in all as long as is said, however few they are told as, and beside one that came to nothing", () => {
    const { scheduler, lend, hear } = setUp();
    const lease = lend("x", 0);
    const waitedMs = (): number => hear().reduce((sum, [what, , ms = 0]) => sum + (what === "waited" ? ms : 0), 0);
    const many = { ended: 160, executionMs: 1_600, usedMs: 100, usedSinceMs: 100, waitedMs: 400 };
    scheduler.leasesUsed([calls(lease, { ...many, unusedSinceMs: null })], [], 500);
    expect(waitedMs()).toBeCloseTo(400);
    scheduler.leasesUsed([calls(lease, { usedMs: 500, unusedSinceMs: null, waitedMs: 30 })], [], 1_000);
    expect(waitedMs()).toBe(30);
    const never = lend("y", 1_000);
    scheduler.leasesUsed(
      [calls(never, { usedMs: 1, usedSinceMs: 1_400, unusedSinceMs: 1_401, waitedMs: 90 })],
      [],
      1_500,
    );
    expect(waitedMs()).toBe(90);
  });

  test("of several leases are told in the order of their times, and what is told later is no earlier", () => {
    const { scheduler, lend, hear } = setUp();
    const [x, y] = [lend("x", 0), lend("y", 0)];
    const at = (usedSinceMs: number): Partial<LeaseCalls> => {
      return { ended: 1, executionMs: 100, usedMs: 100, usedSinceMs, unusedSinceMs: usedSinceMs + 100 };
    };
    scheduler.leasesUsed([calls(x, at(200)), calls(y, at(250))], [], 500);
    expect(hear().map(([what, atMs]) => [what, atMs])).toEqual([
      ["came", 200],
      ["came", 250],
      ["ended", 300],
      ["ended", 350],
    ]);
    scheduler.leasesUsed([calls(x, at(800))], [], 1_000);
    scheduler.leasesUsed([calls(y, at(600))], [], 1_010);
    expect(hear().map(([what, atMs]) => [what, atMs])).toEqual([
      ["came", 800],
      ["ended", 900],
      ["came", 900],
      ["ended", 900],
    ]);
  });

  test("are not under way for ever where nobody tells of their end", () => {
    const { scheduler, pool, lend, hear } = setUp();
    const [lost, unheard] = [lend("x", 0), lend("y", 0)];
    const running = { usedMs: 100, usedSinceMs: 400, unusedSinceMs: null };
    scheduler.leasesUsed([calls(lost, running), calls(unheard, running)], [], 500);
    scheduler.returnLease(lost, 600);
    scheduler.leasesUsed([calls(unheard, { unusedSinceMs: 700 })], [], 1_000);
    // Whoever asked has gone, and whoever came too late for the queue.
    scheduler.lend(scheduler.instance("x"), "n1", TTL_MS, 1_000);
    scheduler.acquire(pool, "a", Infinity, 1_100);
    expect(scheduler.cancel("a", 1_200)).toBe(true);
    scheduler.acquire(pool, "b", 1_250, 1_200);
    scheduler.tick(1_250);
    scheduler.acquire(pool, "c", 1_250, 1_250);
    const heard = hear();
    const count = (of: string): number => heard.filter(([what]) => what === of).length;
    expect([count("came"), count("left"), count("ended")]).toEqual([5, 5, 0]);
  });

  test("that are to come are not told of", () => {
    const { scheduler, effects, pool, hear } = setUp();
    expect(scheduler.grow(pool, "a", Infinity, 100)).toBe(true);
    scheduler.instanceStarted(effects.starting[0]!, 200);
    const lease = scheduler.lend(effects.grants.get("a")!, "n1", TTL_MS, 200);
    scheduler.returnLease(lease, 1_500);
    expect(scheduler.grow(pool, "b", Infinity, 2_000)).toBe(true);
    scheduler.release(effects.grants.get("b")!, { executionMs: null }, 2_100);
    expect(scheduler.grow(pool, "c", Infinity, 2_200)).toBe(true);
    expect(hear()).toEqual([]);
  });

  test("are what keep-alive is counted from, and not the lease's end", () => {
    const { scheduler, effects, lend } = setUp();
    const lease = lend("x", 0);
    const one = { ended: 1, executionMs: 5, usedMs: 5, usedSinceMs: 95, unusedSinceMs: 100 };
    scheduler.leasesUsed([calls(lease, one)], [], 500);
    scheduler.returnLease(lease, 1_500);
    scheduler.tick(10_099);
    expect(effects.stopping).toEqual([]);
    scheduler.tick(10_100);
    expect(effects.stopReasons).toEqual(["idle for long"]);
  });

  test("come and end in turn, in time, and together take no longer than instances were in use, whatever is told", () => {
    const step = record({
      which: integer({ min: 0, max: 2 }),
      ended: integer({ min: 0, max: 40 }),
      executionMs: integer({ min: 0, max: 5_000 }),
      usedMs: integer({ min: 0, max: 600 }),
      agoMs: integer({ min: -100, max: 700 }),
      isUsed: boolean(),
      waitedMs: integer({ min: 0, max: 300 }),
    });
    assert(
      property(array(step, { maxLength: 40, size: "max" }), boolean(), (steps, haveWaited) => {
        const { scheduler, lend, hear } = setUp();
        const leases = ["x", "y", "z"].map((id) => lend(id, 0));
        let now = 0;
        let usedMs = 0;
        for (const { which, agoMs, isUsed, ...said } of steps) {
          const told = haveWaited ? said : { ...said, waitedMs: 0 };
          now += 170;
          usedMs += told.usedMs;
          const unusedSinceMs = isUsed ? null : now - agoMs / 2;
          scheduler.leasesUsed([calls(leases[which]!, { ...told, usedSinceMs: now - agoMs, unusedSinceMs })], [], now);
        }
        let [inFlight, lastMs, executionMs] = [0, 0, 0];
        for (const [what, atMs, tookMs = 0] of hear()) {
          if (what === "waited") continue;
          inFlight += what === "came" ? 1 : -1;
          executionMs += tookMs;
          expect(atMs).toBeGreaterThanOrEqual(lastMs);
          expect(inFlight).toBeGreaterThanOrEqual(0);
          // Those that wait are in flight as well.
          expect(inFlight).toBeLessThanOrEqual(haveWaited ? Infinity : leases.length);
          lastMs = atMs;
        }
        expect(lastMs).toBeLessThanOrEqual(now);
        expect(executionMs).toBeLessThanOrEqual(usedMs + 1e-6);
        expect(inFlight).toBe(leases.filter(({ isUsed }) => isUsed).length);
      }),
    );
  });
});
