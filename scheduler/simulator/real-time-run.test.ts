import { expect, test } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import type { SlotAssignment, SlotMeta, SlotResult, SlotScaler } from "../grpc/scaler-service.ts";
import { RealTimePlatform } from "./real-time-platform.ts";
import { RealTimeRun } from "./real-time-run.ts";
import type { Trace, TraceFunction } from "./trace.ts";

const EPOCH_MS = 1_685_980_824_304;
const REFUSED_AFTER_MS = 250;
const TRACE: Trace = {
  name: "t",
  functions: [
    { key: "go", runtime: "go", memoryMb: 512, initMs: 1, timeoutMs: 60_000 },
    { key: "refused", runtime: "java", memoryMb: 512, initMs: 1, timeoutMs: 60_000 },
  ],
  functionOf: Int32Array.of(0, 0, 1),
  epochMs: EPOCH_MS,
  startMs: Float64Array.of(0, 20, 30),
  durationMs: Float64Array.of(5, 10, 40),
  statusCode: Uint16Array.of(200, 408, 200),
};

/** A slot for each request; and what it heard. */
class SlotEach implements SlotScaler {
  readonly heard: (readonly [startedAtMs: number, meta: SlotMeta])[] = [];
  readonly results: SlotResult[] = [];
  readonly #platform: RealTimePlatform;

  constructor(platform: RealTimePlatform) {
    this.#platform = platform;
  }

  async assign({ requestId, startedAtMs, meta }: Parameters<SlotScaler["assign"]>[0]): Promise<SlotAssignment> {
    this.heard.push([startedAtMs, meta]);
    if (meta.key === "refused at once") throw new LocusError("OVERLOADED", "there is no room");
    if (meta.key === "refused") {
      await new Promise((resolve) => setTimeout(resolve, REFUSED_AFTER_MS));
      throw new LocusError("OVERLOADED", "there is no room");
    }
    const { id: slotId } = await this.#platform.createSlot({ requestId, memoryMb: meta.memoryMb });
    await this.#platform.init({ requestId, slotId, instanceId: slotId, meta });
    return { requestId, metaKey: meta.key, instanceId: slotId };
  }

  async idle({ requestId, instanceId }: SlotAssignment, result: SlotResult): Promise<void> {
    this.results.push(result);
    await this.#platform.destroySlot({ requestId, slotId: instanceId, reason: "" });
  }
}

test("a Scaler hears of each request what its data set says, and a request that fails takes its time all the same", async () => {
  const now = () => performance.now();
  const platform = new RealTimePlatform(TRACE.functions, now);
  const scaler = new SlotEach(platform);
  const run = new RealTimeRun({ trace: TRACE, folder: "t", scaler, platform, now });
  await run.play(new AbortController().signal);
  const go = { key: "go", runtime: "go", timeoutSeconds: 60, memoryMb: 512 };
  expect(scaler.heard).toEqual([
    [EPOCH_MS, go],
    [EPOCH_MS + 20, go],
    [EPOCH_MS + 30, { ...go, key: "refused", runtime: "java" }],
  ]);
  expect(scaler.results).toMatchObject([
    { statusCode: 200, durationMs: 5, needDestroy: false },
    { statusCode: 408, durationMs: 10, needDestroy: true },
  ]);
  const { failedRequestsCount, invocationScheduleTimeInSecs, invocationExecutionTimeInSecs } = run.statistics();
  expect(failedRequestsCount).toBe(1);
  expect(invocationExecutionTimeInSecs).toBeCloseTo(0.015, 6);
  // Two slots of a tenth of a second each besides.
  expect(invocationScheduleTimeInSecs).toBeGreaterThan((REFUSED_AFTER_MS + 100) / 1e3);
});

test("who serves all requests has a score, and who refuses one at once has none, however little it waits or holds", async () => {
  const scored = async (refused: string): Promise<unknown> => {
    const [go] = TRACE.functions as [TraceFunction];
    const functions = ["go", "slow"].map((key) => ({ ...go, key: key === refused ? "refused at once" : key }));
    const trace = { ...TRACE, functions };
    const now = () => performance.now();
    const platform = new RealTimePlatform(functions, now);
    const run = new RealTimeRun({ trace, folder: "t", scaler: new SlotEach(platform), platform, now });
    await run.play(new AbortController().signal);
    const { failedRequestsCount, score } = run.statistics();
    return [failedRequestsCount, score];
  };
  expect(await scored("none")).toEqual([0, expect.any(Number)]);
  expect(await scored("slow")).toEqual([1, null]);
});
