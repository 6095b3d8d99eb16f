// Both ends of the way by which threads beside the data are divided by a scheduler that does not reach them.

import { afterEach, expect, test, vi } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import type { ThreadsSeen } from "#scheduler/reallocation/capacity-loop.ts";
import { RelayedThreads } from "#scheduler/service/relayed-threads.ts";
import { DividedThreads } from "./divided-threads.ts";

const BUSY = { functionKey: "khop", threadsMax: 4, threads: 2, busy: 2, waiting: 3 };
const two = new Map([["khop", 2]]);

/** A node that controls, and whoever schedules for it. `beat`: they speak with each other. */
const setUp = (total: number | null = null) => {
  vi.useFakeTimers();
  const said: (readonly (readonly [string, number])[])[] = [];
  const warnings: string[] = [];
  const node = { isHeld: true, refusal: null as Error | null };
  const nowMs = (): number => performance.now();
  const divided = new DividedThreads({
    holder: {
      allow: async (allowed): Promise<ThreadsSeen> => {
        if (node.refusal !== null) throw node.refusal;
        said.push([...allowed]);
        return { total: 16, functions: [BUSY] };
      },
    },
    total,
    isHeld: () => node.isHeld,
    log: { warn: ({ reason }: { readonly reason: string }) => void warnings.push(reason) },
    nowMs,
  });
  const relayed = new RelayedThreads(nowMs);
  const beat = (): void => divided.answered(relayed.told(divided.seen));
  const hear = () => said.splice(0);
  return { node, divided, relayed, beat, hear, warnings };
};

afterEach(() => void vi.useRealTimers());

test("who schedules knows what functions have when a node has told, and what it says is said at once and again", async () => {
  const { divided, relayed, beat, hear } = setUp(8);
  await expect(relayed.allow(new Map())).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  await vi.advanceTimersByTimeAsync(1_000);
  beat();
  expect(hear()).toEqual([[]]);
  expect(await relayed.allow(two)).toEqual({ total: 8, functions: [BUSY] });
  beat();
  await vi.advanceTimersByTimeAsync(0);
  expect(hear()).toEqual([[["khop", 2]]]);
  for (let look = 0; look < 3; look++) {
    await vi.advanceTimersByTimeAsync(1_000);
    beat();
  }
  expect(hear()).toEqual(Array.from({ length: 3 }, () => [["khop", 2]]));
  divided.close();
});

test("nobody is held back by a scheduler that answers no more", async () => {
  const { divided, relayed, beat, hear } = setUp();
  await vi.advanceTimersByTimeAsync(1_000);
  beat();
  await relayed.allow(two);
  beat();
  hear();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(hear().at(-1)).toEqual([["khop", 2]]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(hear().at(-1)).toEqual([]);
  divided.close();
});

test("a node that does not control tells nothing and says nothing, and what was told long ago is not believed", async () => {
  const { node, divided, relayed, beat, hear } = setUp();
  await vi.advanceTimersByTimeAsync(1_000);
  beat();
  node.isHeld = false;
  hear();
  expect(relayed.told(divided.seen)).toBeNull();
  await vi.advanceTimersByTimeAsync(4_000);
  expect(hear()).toEqual([]);
  await expect(relayed.allow(two)).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  divided.close();
});

test("why they are not divided is told once, until they were; that Redis is away is not told", async () => {
  const { node, divided, hear, warnings } = setUp();
  node.refusal = new LocusError("MODULE_MISSING", "no module");
  await vi.advanceTimersByTimeAsync(3_000);
  expect(warnings).toEqual(["no module"]);
  node.refusal = null;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(hear()).toHaveLength(1);
  node.refusal = new LocusError("REDIS_UNAVAILABLE", "away");
  await vi.advanceTimersByTimeAsync(1_000);
  node.refusal = new LocusError("MODULE_MISSING", "no module");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(warnings).toEqual(["no module", "no module"]);
  expect(divided.seen).not.toBeNull();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(divided.seen).toBeNull();
  divided.close();
});
