// What a policy comes to know of calls that its scheduler never sees: a node's book and its beats, and the desk with the policy that runs live, on
// a clock that is the test's.

import { afterEach, describe, expect, test, vi } from "vitest";

import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import type { HostedInstance } from "#scheduler/grpc/capacity-desk.ts";
import { forecast } from "#scheduler/policy/forecast.ts";
import { overheard } from "#scheduler/scheduler-fixture.ts";
import { LiveDesk } from "#scheduler/service/live-desk.ts";
import { CapacityLink } from "./capacity-link.ts";
import { LeaseBook } from "./lease-book.ts";

const MIB = 2 ** 20;
const NODE = { nodeId: "a", address: "a", port: 1, memoryMb: 4_096, availableMb: 4_096, cpus: 4 };
const START_MS = 400;
const CALL_MS = 5;
/** Little: one instance does. */
const CPU_US = 10;
const limits = {
  deadlineMs: 5_000,
  cpuMs: 5_000,
  memoryMb: 512,
  operations: LIMITS.operations.default,
  concurrency: 32,
};
const rare: FunctionDescription = { name: "rare", version: "1", side: null, limits, input: null, output: null };

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A node whose instances take a while to start, and whoever schedules for it. */
const setUp = () => {
  const nowMs = (): number => performance.now();
  const containers = new Map<string, HostedInstance>();
  const starts: string[] = [];
  const { policy, heard } = overheard(forecast());
  const desk = new LiveDesk({
    policy,
    observer: {
      started: (_, why) => void starts.push(why),
      stopped() {},
      failed() {},
      node() {},
      leaseEnded() {},
    },
    connect: () => ({
      createContainer: async ({ name, meta: { functionName: key, memoryBytes, timeoutMs } }) => {
        await pass(START_MS);
        containers.set(name, { id: name, name, shape: { key, memoryMb: memoryBytes / MIB, timeoutMs }, usedMb: 0 });
        return name;
      },
      removeContainer: async ({ containerId }) => void containers.delete(containerId),
    }),
    saved: null,
    totals: { instances: null, threads: null },
  });
  const book = new LeaseBook({
    hasIsolates: false,
    nodeId: NODE.nodeId,
    lease: (wanted, signal) => link.lease(wanted, signal),
    atMost: () => null,
    nowMs,
  });
  const link: CapacityLink = new CapacityLink({
    book,
    desk: () => desk,
    describe: () => ({ ...NODE, scaled: [], scaledVersion: 1 }),
    hosted: async () => [...containers.values()],
    threads: null,
    log: { info: () => {}, warn: () => {} },
    nowMs,
  });
  /** One that gets no instance runs without. */
  const call = async (forMs = CALL_MS, of = rare, signal?: AbortSignal): Promise<void> => {
    const instance = book.take(of) ?? (await book.wait(of, of.limits.deadlineMs, signal));
    await pass(forMs);
    if (instance !== null) book.done(instance, forMs, CPU_US);
  };
  const close = async (): Promise<void> => {
    await link.leave();
    desk.close();
  };
  return { desk, book, starts, heard, call, close };
};

/** Of how many calls, and their mean. */
const executionsOf = (desk: LiveDesk): readonly [calls: number, meanMs: number] => {
  const { policy } = desk.save().functions["rare@1"]!;
  const [calls = 0, sumMs = 0] = (policy as { readonly execution: readonly number[] }).execution;
  return [calls, sumMs / calls];
};

afterEach(() => void vi.useRealTimers());

test("of a function that is called now and then each call takes what it takes", async () => {
  vi.useFakeTimers();
  const { desk, call, close } = setUp();
  await vi.advanceTimersByTimeAsync(1_000);
  for (let returns = 0; returns < 40; returns++) {
    const called = call();
    await vi.advanceTimersByTimeAsync(30_000);
    await called;
  }
  const [calls, meanMs] = executionsOf(desk);
  expect(calls).toBe(40);
  expect(meanMs).toBeCloseTo(CALL_MS, 0);
  await close();
});

test.each([2, 10, 45, 300])(
  "calls that come every %d s wait for starts at first, and for none when that is known",
  async (everyS) => {
    vi.useFakeTimers();
    const { book, starts, call, close } = setUp();
    await vi.advanceTimersByTimeAsync(1_000);
    /** How long calls of so many returns waited, each. */
    const waitsOf = async (returns: number): Promise<readonly number[]> => {
      const waitsMs: number[] = [];
      for (let calls = 0; calls < returns; calls++) {
        const beforeMs = book.counts.waitedMs;
        const called = call();
        await vi.advanceTimersByTimeAsync(everyS * 1e3);
        await called;
        waitsMs.push(book.counts.waitedMs - beforeMs);
      }
      return waitsMs;
    };
    const [first] = await waitsOf(40);
    expect(first).toBe(START_MS);
    expect(await waitsOf(20)).toEqual(Array.from({ length: 20 }, () => 0));
    // Not since one is there all the time.
    expect(starts.slice(-20)).toEqual(Array.from({ length: 20 }, () => "prewarm"));
    await close();
  },
);

test("forecasts' errors are told by function: none before there are forecasts, small ones of calls that come as they did", async () => {
  vi.useFakeTimers();
  const { desk, call, close } = setUp();
  await vi.advanceTimersByTimeAsync(1_000);
  const everyMs = 45_000;
  const callThen = async (pauseMs: number): Promise<void> => {
    const called = call();
    await vi.advanceTimersByTimeAsync(pauseMs);
    await called;
  };
  const errors = (): Readonly<Record<string, number>> => desk.overviewNow().forecastErrors;
  await callThen(everyMs);
  expect(errors()).toEqual({});
  for (let returns = 0; returns < 39; returns++) await callThen(everyMs);
  expect(errors()).toEqual({ "rare@1": expect.closeTo(0, 2) });
  // One that is late by as much again is missed by half of what it took: among a dozen.
  await callThen(everyMs);
  await vi.advanceTimersByTimeAsync(everyMs);
  await callThen(1_000);
  expect(errors()).toEqual({ "rare@1": expect.closeTo(0.5 / 12, 2) });
  await close();
});

test("of calls that overlap on one instance each takes what it takes, and there are as many as fill the time", async () => {
  vi.useFakeTimers();
  const { desk, call, close } = setUp();
  await vi.advanceTimersByTimeAsync(1_000);
  const first = call();
  await vi.advanceTimersByTimeAsync(1_000);
  await first;
  for (let round = 0; round < 200; round++) {
    const eight = Array.from({ length: 8 }, () => call());
    await vi.advanceTimersByTimeAsync(CALL_MS);
    await Promise.all(eight);
  }
  await vi.advanceTimersByTimeAsync(2_000);
  const [calls, meanMs] = executionsOf(desk);
  expect(meanMs).toBeCloseTo(CALL_MS, 0);
  expect(calls).toBeGreaterThan(190);
  expect(calls).toBeLessThan(220);
  await close();
});

test("a call that waited for a start has waited for it, however many follow that run at once", async () => {
  vi.useFakeTimers();
  const { book, heard, call, close } = setUp();
  await vi.advanceTimersByTimeAsync(1_100);
  const calls = [call()];
  await vi.advanceTimersByTimeAsync(START_MS);
  for (let round = 0; round < 5; round++) {
    calls.push(...Array.from({ length: 8 }, () => call()));
    await vi.advanceTimersByTimeAsync(CALL_MS);
  }
  await vi.advanceTimersByTimeAsync(2_000);
  await Promise.all(calls);
  await close();
  expect([book.counts.waited, book.counts.waitedMs]).toEqual([1, START_MS]);
  expect(heard.waitedMs).toBeCloseTo(START_MS);
});

describe("a call that finds all instances of its node busy", () => {
  const single = { ...rare, limits: { ...limits, concurrency: 1 } };

  /** After so many that took so long, the next takes `firstMs`, and another comes with it: how long that one waits, and how many starts are made for it. */
  const second = async (forMs: number, firstMs = forMs): Promise<readonly [waitMs: number, starts: number]> => {
    vi.useFakeTimers();
    const { book, starts, call, close } = setUp();
    await vi.advanceTimersByTimeAsync(1_000);
    for (let calls = 0; calls < 40; calls++) {
      const called = call(forMs, single);
      await vi.advanceTimersByTimeAsync(10_000);
      await called;
    }
    const before = { waitedMs: book.counts.waitedMs, starts: starts.length };
    const both = [call(firstMs, single), call(forMs, single)];
    await vi.advanceTimersByTimeAsync(10_000);
    await Promise.all(both);
    await close();
    return [book.counts.waitedMs - before.waitedMs, starts.slice(before.starts).filter((why) => why === "miss").length];
  };

  test("waits for one of them where that is expected to take less than a start, and none is started", async () => {
    expect(await second(CALL_MS)).toEqual([CALL_MS, 0]);
  });

  test("waits for a start where calls take longer than that", async () => {
    expect(await second(4_000)).toEqual([START_MS, 1]);
  });

  test("waits for a start when the one before it takes longer than was expected", async () => {
    const [waitMs, starts] = await second(CALL_MS, 4_000);
    expect(starts).toBe(1);
    expect(waitMs).toBeLessThanOrEqual(2 * START_MS);
  });

  test("has a start made where what is busy outlasts all that was known, though calls come too seldom to be a burst", async () => {
    vi.useFakeTimers();
    const { starts, call, close } = setUp();
    await vi.advanceTimersByTimeAsync(1_000);
    const calls = [call()];
    await vi.advanceTimersByTimeAsync(3_000);
    const patient = { ...single, version: "2", limits: { ...single.limits, deadlineMs: 60_000, memoryMb: 64 } };
    const before = starts.length;
    for (let seconds = 0; seconds < 20; seconds++) {
      calls.push(call(60_000, patient));
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(starts.length - before).toBeGreaterThan(1);
    await vi.advanceTimersByTimeAsync(70_000);
    await Promise.all(calls);
    await close();
  });

  // Calls are short as a rule, and then one is long: others come while it runs.
  test.each([
    { what: "a start, when it was told to wait at first", others: 1, deadlineMs: 5_000, late: 0 },
    { what: "its patience to end", others: 1, deadlineMs: 600, late: 1 },
    { what: "as many as an instance serves, with others", others: 6, deadlineMs: 5_000, late: 0 },
    { what: "their patience to end, all of several", others: 5, deadlineMs: 600, late: 5 },
    { what: "one after another, which come all the time", others: 30, everyMs: 20, deadlineMs: 5_000, late: 0 },
    { what: "being cancelled", others: 2, deadlineMs: 5_000, cancelledAtMs: 50, late: 0 },
  ])("has come, and waited for $what, as far as the policy knows", async (given) => {
    const { others, deadlineMs, late, everyMs = 0, cancelledAtMs = 60_000 } = given;
    vi.useFakeTimers();
    const { book, heard, call, close } = setUp();
    await vi.advanceTimersByTimeAsync(1_000);
    for (let calls = 0; calls < 40; calls++) {
      const called = call(CALL_MS, single);
      await vi.advanceTimersByTimeAsync(10_000);
      await called;
    }
    const before = { came: heard.came, heardMs: heard.waitedMs, waitedMs: book.counts.waitedMs };
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(), cancelledAtMs);
    const calls = [call(4_000, single)];
    const hurried = { ...single, limits: { ...single.limits, deadlineMs } };
    for (let other = 0; other < others; other++) {
      calls.push(call(CALL_MS, hurried, cancel.signal).catch(() => {}));
      await vi.advanceTimersByTimeAsync(everyMs);
    }
    await vi.advanceTimersByTimeAsync(10_000);
    await Promise.all(calls);
    await close();
    const waitedMs = book.counts.waitedMs - before.waitedMs;
    expect(book.without.late).toBe(late);
    expect(waitedMs).toBeGreaterThanOrEqual(100);
    expect(heard.waitedMs - before.heardMs).toBeCloseTo(waitedMs, 0);
    expect([heard.came - before.came, heard.underWay]).toEqual([1 + others, 0]);
  });
});
