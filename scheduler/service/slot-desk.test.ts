// The 2023 contest's desk over a platform in this process. Over the wire: test/scheduler/contest-2023.test.ts.

import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { SlotAssignment, SlotMeta } from "../grpc/scaler-service.ts";
import { LiveScheduler } from "../live-scheduler.ts";
import { fixedKeepAlive } from "../policy/fixed.ts";
import { RealTimePlatform } from "../simulator/real-time-platform.ts";
import { SlotDesk, SlotDriver } from "./slot-desk.ts";

const META: SlotMeta = { key: "f", runtime: "go", timeoutSeconds: 60, memoryMb: 512 };
const SILENT = { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} };
const ENDED = { statusCode: 200, durationMs: 1, needDestroy: false, reason: "" };
const DAY_MS = 24 * 3_600_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setUp() {
  const trace = { key: META.key, runtime: META.runtime, memoryMb: META.memoryMb, initMs: 1, timeoutMs: 60_000 };
  const platform = new RealTimePlatform([trace], () => performance.now());
  const metas = new Map<string, SlotMeta>();
  const driver = new SlotDriver(platform, metas);
  const scheduler = new LiveScheduler({
    policy: fixedKeepAlive("kept", { keepAliveMs: Infinity, lookEveryMs: 0 }),
    driver,
    nodes: { reserve: () => Promise.reject(new Error("there are none")), release: async () => {} },
    observer: SILENT,
  });
  scheduler.core.nodeCame(
    { id: "platform", address: "", port: 0, memoryMb: Infinity, cpus: Infinity },
    scheduler.now(),
  );
  const lost: string[] = [];
  const desk = new SlotDesk({ scheduler, driver, metas, onLost: (requestId) => void lost.push(requestId) });
  onTestFinished(() => {
    desk.close();
    scheduler.close();
  });
  const assign = async (requestId: string, meta: Partial<SlotMeta> = {}): Promise<SlotAssignment> => {
    const assigned = desk.assign(
      { requestId, startedAtMs: 0, meta: { ...META, ...meta } },
      new AbortController().signal,
    );
    await vi.advanceTimersByTimeAsync(1_000);
    return assigned;
  };
  return { platform, scheduler, desk, lost, assign };
}

test("an assignment that no Idle comes for ends with its slot when its function's time is long over, and its Idle finds none", async () => {
  const { platform, scheduler, desk, lost, assign } = setUp();
  const [never, ended] = [await assign("never"), await assign("ended")];
  await vi.advanceTimersByTimeAsync(85_000);
  await desk.idle(ended, ENDED);
  expect([lost, desk.held, platform.liveSlots]).toEqual([[], 1, 2]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([lost, desk.held, platform.liveSlots]).toEqual([["never"], 0, 1]);
  expect(scheduler.core.counts).toMatchObject({ idle: 1, busy: 0 });
  await expect(desk.idle(never, ENDED)).rejects.toMatchObject({ code: "INSTANCE_NOT_FOUND" });
  expect((await assign("next")).instanceId).toBe(ended.instanceId);
  // Its time has begun anew.
  await vi.advanceTimersByTimeAsync(85_000);
  expect([lost, desk.held]).toEqual([["never"], 1]);
});

test("an assignment of a function that does not say how long it may take is lost after a day", async () => {
  const { platform, desk, lost, assign } = setUp();
  await assign("untold", { timeoutSeconds: 0 });
  await vi.advanceTimersByTimeAsync(DAY_MS);
  expect([lost, desk.held, platform.liveSlots]).toEqual([[], 1, 1]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([lost, desk.held, platform.liveSlots]).toEqual([["untold"], 0, 0]);
});
