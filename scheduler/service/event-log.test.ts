import { describe, expect, test, vi } from "vitest";

import { LiveScheduler } from "../live-scheduler.ts";
import { fixedKeepAlive } from "../policy/fixed.ts";
import { eventLog, lineLog } from "./event-log.ts";

const NODE = { id: "n1", address: "127.0.0.1", port: 1, memoryMb: 256, cpus: 8 };
const KEPT = { ...fixedKeepAlive("kept", { keepAliveMs: 60_000, lookEveryMs: 0 }), sharesStarts: true };

/** A live scheduler over a driver that starts and stops at once, and what is written of it. */
const setUp = (isAble = true) => {
  const clock = { nowMs: 0 };
  const written: object[] = [];
  const released = Promise.withResolvers<string>();
  const live = new LiveScheduler({
    policy: KEPT,
    driver: {
      start: isAble ? async () => {} : () => Promise.reject(new Error("no image")),
      stop: async () => {},
    },
    nodes: {
      reserve: () => Promise.reject(new Error("none is left")),
      release: async ({ id }) => released.resolve(id),
    },
    observer: eventLog(
      (event) => void written.push(event),
      () => clock.nowMs,
    ),
    now: () => clock.nowMs,
  });
  const pool = live.core.declare({ key: "f", memoryMb: 100 }, 0);
  const hear = (): readonly object[] => written.splice(0);
  return { live, pool, clock, hear, released: released.promise };
};
const of = { instance: "i0", function: "f", node: "n1" };
const start = { event: "start", ...of, rule: "best fit" };
const stop = { event: "stop", ...of };

describe("the log of a scheduler's events", () => {
  test("has of each start and stop, each node and each lease that ended the reason", async () => {
    const { live, pool, clock, hear, released } = setUp();
    live.core.nodeCame(NODE, 0);
    const instance = await live.acquireToLend(pool, Infinity);
    expect(hear()).toEqual([
      { event: "node", node: "n1", what: "reserved", why: expect.any(String) },
      { ...start, why: "miss" },
    ]);
    live.core.lend(instance, "n1", 1_000, 0);
    live.core.tick(1_000);
    const ended = { event: "lease", instance: "i0", function: "f", holder: "n1" };
    expect(hear()).toEqual([{ ...ended, why: "expired" }]);
    const lease = live.core.lend(instance, "n1", 1_000, 1_000);
    live.core.drainNode("n1", 1_100);
    live.core.returnLease(lease, 1_200);
    expect(await released).toBe("n1");
    const events = hear();
    for (const event of [
      { event: "node", node: "n1", what: "draining", why: expect.any(String) },
      { ...ended, why: "revoked" },
      { ...stop, why: "node drains" },
      { event: "node", node: "n1", what: "released", why: expect.any(String) },
    ]) {
      expect(events).toContainEqual(event);
    }
    clock.nowMs = 1_200;
    live.close();
  });

  test("has of each start what chose its node", async () => {
    const { live, pool, hear } = setUp();
    const near = live.core.nodeCame(NODE, 0);
    const roomy = live.core.nodeCame({ ...NODE, id: "n2", cpus: 16 }, 0);
    const rules = (): readonly object[] =>
      hear().flatMap((event) => ("rule" in event ? [{ node: "node" in event && event.node, rule: event.rule }] : []));
    await live.acquireToLend(pool, Infinity, undefined, near);
    expect(rules()).toEqual([{ node: "n1", rule: "near" }]);
    // Its memory is full with a second one.
    await live.acquireToLend(pool, Infinity, undefined, near);
    await live.acquireToLend(pool, Infinity, undefined, near);
    expect(rules()).toEqual([
      { node: "n1", rule: "near" },
      { node: "n2", rule: "most free CPU" },
    ]);
    const heavy = live.core.declare({ key: "g", memoryMb: 10 }, 0);
    for (let call = 0; call < 10; call++) {
      live.release(await live.acquire(heavy, Infinity), { executionMs: 1, cpus: 4 });
    }
    expect(rules()).toEqual([{ node: expect.any(String), rule: "best fit" }]);
    expect(heavy.need.isCpuHeavy).toBe(true);
    await live.acquire(heavy, Infinity);
    await live.acquire(heavy, Infinity);
    expect(rules()).toEqual([{ node: expect.any(String), rule: "fewest heavy" }]);
    await live.grow(live.core.declare({ key: "h", memoryMb: 10 }, 0), Infinity, undefined, roomy);
    expect(rules()).toEqual([{ node: "n2", rule: "near" }]);
    live.close();
  });

  test("has why an instance rests no longer, and why one did not come to be", async () => {
    const resting = setUp();
    resting.live.core.nodeCame(NODE, 0);
    resting.live.release(await resting.live.acquire(resting.pool, Infinity), { executionMs: 1 });
    resting.live.core.tick(60_000);
    expect(resting.hear()).toContainEqual({ ...stop, why: "idle for long" });
    resting.live.close();

    const failing = setUp(false);
    failing.live.core.nodeCame(NODE, 0);
    const abort = new AbortController();
    const call = failing.live.acquire(failing.pool, Infinity, abort.signal);
    await vi.waitFor(() => {
      const failed = { event: "failed", instance: "i0", function: "f", why: "no image", retryInMs: 100 };
      expect(failing.hear()).toContainEqual(failed);
    });
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    failing.live.close();
  });

  test("has a hundred events of a second, and then how many were left out", () => {
    const clock = { nowMs: 5_000 };
    const written: object[] = [];
    const log = eventLog(
      (event) => void written.push(event),
      () => clock.nowMs,
    );
    for (let event = 0; event < 250; event++) log.say({ event });
    expect(written).toHaveLength(100);
    expect(written.at(-1)).toEqual({ event: 99 });
    clock.nowMs = 6_000;
    log.say({ event: "next" });
    expect(written.slice(100)).toEqual([{ event: "left out", events: 150 }, { event: "next" }]);
    clock.nowMs = 7_000;
    log.say({ event: "last" });
    expect(written).toHaveLength(103);
  });

  test("has nothing of calls that find their instance", async () => {
    const { live, pool, hear } = setUp();
    live.core.nodeCame(NODE, 0);
    live.release(await live.acquire(pool, Infinity), { executionMs: 1 });
    expect(hear()).toHaveLength(2);
    for (let call = 0; call < 1_000; call++) {
      live.release(await live.acquire(pool, Infinity), { executionMs: 1 });
    }
    expect(hear()).toEqual([]);
    live.close();
  });

  test("is a line of JSON for each, with its time", () => {
    const lines: string[] = [];
    const before = Date.now();
    lineLog((line) => void lines.push(line)).say({ event: "listening", port: 1 });
    const { time, ...event } = JSON.parse(lines[0]!) as { readonly time: number };
    expect(event).toEqual({ event: "listening", port: 1 });
    expect(time).toBeGreaterThanOrEqual(before);
    expect(lines).toHaveLength(1);
  });
});
