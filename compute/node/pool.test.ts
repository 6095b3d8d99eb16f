import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { LocusError } from "#runtime/errors.ts";
import { Pool } from "./pool.ts";

const DEADLINE_MS = 1_000;

/** Settles at once to the code of the failure, so that a test may go on before it looks. */
const codeOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => "none",
    (error: LocusError) => error.code,
  );

const numbered = (overrides: { open?: () => Promise<number>; sizeMax?: number; queueLengthMax?: number } = {}) => {
  let opened = 0;
  const closed: number[] = [];
  const pool = new Pool<number>({
    open: () => Promise.resolve((opened += 1)),
    close: (item) => closed.push(item),
    sizeMax: 2,
    queueLengthMax: 10,
    ...overrides,
  });
  return { pool, closed };
};

describe("Pool", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("opens an item when none is idle and hands the one released last to the next caller", async () => {
    const { pool } = numbered();
    expect(await pool.acquire(DEADLINE_MS)).toBe(1);
    expect(await pool.acquire(DEADLINE_MS)).toBe(2);
    pool.release(2);
    pool.release(1);
    expect(await pool.acquire(DEADLINE_MS)).toBe(1);
  });

  it("never opens more than its bound and serves those who wait in order of arrival", async () => {
    const { pool } = numbered({ sizeMax: 1 });
    const item = await pool.acquire(DEADLINE_MS);
    const order: string[] = [];
    const first = pool.acquire(DEADLINE_MS).then((taken) => (order.push("first"), taken));
    const second = pool.acquire(DEADLINE_MS).then((taken) => (order.push("second"), taken));
    pool.release(item);
    pool.release(await first);
    await second;
    expect(order).toEqual(["first", "second"]);
    expect(pool.size).toBe(1);
  });

  it("refuses one more than its queue holds", async () => {
    const { pool } = numbered({ sizeMax: 1, queueLengthMax: 1 });
    await pool.acquire(DEADLINE_MS);
    void codeOf(pool.acquire(DEADLINE_MS));
    expect(await codeOf(pool.acquire(DEADLINE_MS))).toBe("OVERLOADED");
  });

  it("lets nobody wait past the deadline, and forgets who left", async () => {
    const { pool } = numbered({ sizeMax: 1 });
    const item = await pool.acquire(DEADLINE_MS);
    const late = codeOf(pool.acquire(DEADLINE_MS));
    await vi.advanceTimersByTimeAsync(DEADLINE_MS);
    expect(await late).toBe("DEADLINE_EXCEEDED");
    pool.release(item);
    expect(await pool.acquire(DEADLINE_MS)).toBe(item);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("lets a cancelled caller go at once, before and while it waits", async () => {
    const { pool } = numbered({ sizeMax: 1 });
    await pool.acquire(DEADLINE_MS);
    const controller = new AbortController();
    const waiting = codeOf(pool.acquire(DEADLINE_MS, controller.signal));
    controller.abort();
    expect(await waiting).toBe("CANCELLED");
    expect(await codeOf(pool.acquire(DEADLINE_MS, controller.signal))).toBe("CANCELLED");
    expect(pool.queueLength).toBe(0);
  });

  it("opens a new item for a waiter when one that is in use breaks", async () => {
    const { pool, closed } = numbered({ sizeMax: 1 });
    const broken = await pool.acquire(DEADLINE_MS);
    const next = pool.acquire(DEADLINE_MS);
    pool.discard(broken);
    pool.release(broken);
    expect(await next).toBe(2);
    expect(closed).toEqual([1]);
  });

  it("answers each waiter with the failure of one attempt to open", async () => {
    let attempts = 0;
    const { pool } = numbered({ open: () => Promise.reject(new Error(`refused ${(attempts += 1)}`)) });
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => pool.acquire(DEADLINE_MS)));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(attempts).toBe(3);
    expect(pool.queueLength).toBe(0);
  });

  it("refuses who waits when it closes, and closes what comes back", async () => {
    const { pool, closed } = numbered({ sizeMax: 1 });
    const item = await pool.acquire(DEADLINE_MS);
    const waiting = codeOf(pool.acquire(DEADLINE_MS));
    pool.close();
    expect(await waiting).toBe("OVERLOADED");
    expect(closed).toEqual([]);
    pool.release(item);
    expect(closed).toEqual([1]);
    expect(pool.size).toBe(0);
  });
});
