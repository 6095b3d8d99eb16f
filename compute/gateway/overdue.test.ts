import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Overdue } from "./overdue.ts";

const TIMEOUT_MS = 1_000;
const LOOK_MS = 50;

describe("Overdue", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("expires what is still there after the timeout, once, and not before", () => {
    const overdue = new Overdue(TIMEOUT_MS);
    const expire = vi.fn();
    overdue.add(expire);
    vi.advanceTimersByTime(TIMEOUT_MS);
    expect(expire).not.toHaveBeenCalled();
    vi.advanceTimersByTime(LOOK_MS);
    expect(expire).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(10 * TIMEOUT_MS);
    expect(expire).toHaveBeenCalledOnce();
  });

  it("gives each its own time, and forgets what ended", () => {
    const overdue = new Overdue(TIMEOUT_MS);
    const [ended, early, late] = [vi.fn(), vi.fn(), vi.fn()];
    const waiting = overdue.add(ended);
    overdue.add(early);
    vi.advanceTimersByTime(TIMEOUT_MS / 2);
    overdue.add(late);
    overdue.delete(waiting);
    vi.advanceTimersByTime(TIMEOUT_MS / 2 + LOOK_MS);
    expect([ended, early, late].map((expire) => expire.mock.calls.length)).toEqual([0, 1, 0]);
    vi.advanceTimersByTime(TIMEOUT_MS / 2);
    expect(late).toHaveBeenCalledOnce();
  });

  it("forgets from the middle, the beginning and the end of those that wait", () => {
    const overdue = new Overdue(TIMEOUT_MS);
    const expire = [vi.fn(), vi.fn(), vi.fn(), vi.fn(), vi.fn()];
    const waiting = expire.map((one) => overdue.add(one));
    for (const index of [2, 0, 4]) overdue.delete(waiting[index]!);
    vi.advanceTimersByTime(TIMEOUT_MS + LOOK_MS);
    expect(expire.map((one) => one.mock.calls.length)).toEqual([0, 1, 0, 1, 0]);
  });

  it("holds no timer while nothing waits", () => {
    const overdue = new Overdue(TIMEOUT_MS);
    const expire = vi.fn();
    overdue.delete(overdue.add(expire));
    vi.advanceTimersByTime(LOOK_MS);
    expect(vi.getTimerCount()).toBe(0);
    overdue.add(expire);
    vi.advanceTimersByTime(TIMEOUT_MS + LOOK_MS);
    expect(expire).toHaveBeenCalledOnce();
  });
});
