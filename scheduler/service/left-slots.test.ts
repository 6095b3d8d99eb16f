import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { destroyAll, LeftSlots } from "./left-slots.ts";

const HOUR_MS = 3_600_000;

/** A platform that destroys what it does not refuse, a while after it was asked. */
class SlowPlatform {
  readonly refused = new Set<string>();
  readonly asked: (readonly [slotId: string, atMs: number])[] = [];
  readonly reasons = new Map<string, string>();
  under = 0;
  underMost = 0;

  readonly destroy = async (slotId: string, reason: string): Promise<boolean> => {
    this.asked.push([slotId, Date.now()]);
    this.underMost = Math.max(this.underMost, ++this.under);
    await new Promise((resolve) => setTimeout(resolve, 10));
    this.under--;
    if (this.refused.has(slotId)) return false;
    this.reasons.set(slotId, reason);
    return true;
  };
}

const idsOf = (count: number, prefix = "s"): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

let platform: SlowPlatform;
let left: LeftSlots;
beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  platform = new SlowPlatform();
  left = new LeftSlots(platform.destroy);
});
afterEach(() => {
  vi.useRealTimers();
});

test("slots that were not destroyed are tried again, a few at a time, until all are gone", async () => {
  for (const id of idsOf(200)) left.add(id, `because of ${id}`);
  expect(platform.asked).toEqual([]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(platform.asked.map(([id]) => id)).toEqual(idsOf(200));
  expect([platform.underMost, platform.reasons.get("s7")]).toEqual([8, "because of s7"]);
});

test("a platform that refuses all is asked less and less, and in the end no more", async () => {
  platform.refused.add("s0");
  left.add("s0", "idle");
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  const pauses = platform.asked.map(([, atMs], index) => atMs - (platform.asked[index - 1]?.[1] ?? 0) - (index && 10));
  expect(pauses.slice(0, 8)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  // The first time was before.
  expect(pauses).toHaveLength(19);
});

test("those that are refused for good keep no others waiting, and cost no more for it", async () => {
  const bad = idsOf(200, "bad");
  for (const id of bad) platform.refused.add(id);
  for (const id of [...bad, ...idsOf(200)]) left.add(id, "idle");
  await vi.advanceTimersByTimeAsync(24 * HOUR_MS);
  expect(platform.reasons.size).toBe(200);
  expect(platform.asked).toHaveLength(200 + bad.length * 19);
  expect(platform.underMost).toBe(8);
});

test("all are tried when it closes, some dozen at a time, and none after", async () => {
  platform.refused.add("s3");
  for (const id of idsOf(500)) left.add(id, "idle");
  const closed = left.close();
  await vi.runAllTimersAsync();
  await closed;
  expect([platform.asked.length, platform.reasons.size, platform.underMost]).toEqual([500, 499, 32]);
  left.add("late", "idle");
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(platform.asked).toHaveLength(500);
});

test("whoever destroys many asks for some dozen at a time", async () => {
  const slots = idsOf(100).map((slotId) => ({ slotId, reason: "it ends" }));
  const all = destroyAll(slots, platform.destroy);
  await vi.runAllTimersAsync();
  await all;
  expect([platform.reasons.size, platform.underMost]).toEqual([100, 32]);
});
