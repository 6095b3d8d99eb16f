import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { withDeadline } from "./deadline.ts";

const BOUND = { attempted: "look it up", timeoutMs: 100, code: "REDIS_UNAVAILABLE" } as const;
const never = new Promise<never>(() => {});

describe("withDeadline", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("settles as the step does, and leaves no timer behind", async () => {
    expect(await withDeadline(Promise.resolve(1), BOUND)).toBe(1);
    await expect(withDeadline(Promise.reject(new Error("no")), BOUND)).rejects.toThrow("no");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("rejects with the code it is given when the time is over", async () => {
    const late = withDeadline(never, BOUND).catch((error: Error) => error);
    await vi.advanceTimersByTimeAsync(100);
    expect(await late).toMatchObject({ code: "REDIS_UNAVAILABLE", message: "could not look it up within 100 ms" });
  });

  it("rejects with CANCELLED when it is cancelled, before or while it waits", async () => {
    const controller = new AbortController();
    const waiting = withDeadline(never, BOUND, controller.signal).catch((error: Error) => error);
    controller.abort();
    expect(await waiting).toMatchObject({ code: "CANCELLED" });
    await expect(withDeadline(never, BOUND, controller.signal)).rejects.toMatchObject({ code: "CANCELLED" });
    expect(vi.getTimerCount()).toBe(0);
  });
});
