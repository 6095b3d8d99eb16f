// Plays a trace to a Scaler in real time, as the 2023 contest's simulator does: Assign when a request comes, Idle when it has run, both timed.
// What it has come to can be asked for at any time.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { SlotMeta, SlotScaler } from "../grpc/scaler-service.ts";
import type { RealTimePlatform } from "./real-time-platform.ts";
import { score2023 } from "./score-2023.ts";
import type { Trace } from "./trace.ts";

const STATUS_OK = 200;

/** The contest's simulator's own words, in its own JSON. */
export interface RunStatistics {
  readonly id: string;
  readonly requestFilePath: string;
  readonly metaFilePath: string;
  readonly startTime: string;
  readonly endTime: string;
  readonly totalRequestsCount: number;
  readonly failedRequestsCount: number;
  readonly successRate: number;
  readonly invocationLatencyInSecs: number;
  readonly invocationExecutionTimeInSecs: number;
  readonly invocationExecutionTimeInGBs: number;
  readonly invocationScheduleTimeInSecs: number;
  readonly invocationIdleTimeInSecs: number;
  readonly totalSlotTimeInGBs: number;
  readonly totalLiveSlotCount: number;
  /** null where a request failed: who refuses what is slow, or keeps one slot alone and that busy, would have the better one. */
  readonly score: number | null;
}

export interface RealTimeRunOptions {
  readonly trace: Trace;
  /** Of the trace, for the statistics. */
  readonly folder: string;
  readonly scaler: SlotScaler;
  readonly platform: RealTimePlatform;
  readonly now: () => number;
}

export class RealTimeRun {
  readonly #options: RealTimeRunOptions;
  readonly #id = randomUUID();
  readonly #startedAt = new Date();
  /** By call, ms, as far as it has come: of one that failed as well. */
  readonly #scheduleMs: Float64Array;
  readonly #executionMs: Float64Array;
  readonly #idleMs: Float64Array;
  #endedAt: Date | null = null;
  #failed = 0;
  #slotGbSeconds = 0;

  constructor(options: RealTimeRunOptions) {
    this.#options = options;
    const { length } = options.trace.startMs;
    this.#scheduleMs = new Float64Array(length);
    this.#executionMs = new Float64Array(length);
    this.#idleMs = new Float64Array(length);
  }

  /** Resolves when the last request has ended and all slots are destroyed. A failed request counts as such. */
  async play(signal: AbortSignal): Promise<void> {
    const { trace, platform, now } = this.#options;
    const startedMs = now();
    const requests: Promise<void>[] = [];
    for (let call = 0; call < trace.startMs.length && !signal.aborted; call++) {
      const inMs = startedMs + trace.startMs[call]! - now();
      if (inMs > 0) await sleep(inMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) requests.push(this.#request(call, signal));
    }
    await Promise.all(requests);
    this.#slotGbSeconds = platform.slotGbSeconds;
    platform.destroyAll();
    this.#endedAt = new Date();
  }

  statistics(): RunStatistics {
    const { trace, folder, platform } = this.#options;
    const total = trace.startMs.length;
    const slotGbSeconds = this.#endedAt === null ? platform.slotGbSeconds : this.#slotGbSeconds;
    const { score, executionSeconds, executionGbSeconds } = score2023({
      trace: { ...trace, durationMs: this.#executionMs },
      policy: "",
      waitMs: this.#scheduleMs.map((ms, call) => ms + this.#idleMs[call]!),
      slotGbSeconds: Float64Array.of(slotGbSeconds),
      starts: 0,
      spanMs: 0,
      // The Scaler's own, of which its protocol tells nothing: ours tells them among its metrics.
      forecastErrors: [],
    });
    const secondsOf = (values: Float64Array): number => values.reduce((sum, ms) => sum + ms / 1e3, 0);
    const [schedule, idle] = [secondsOf(this.#scheduleMs), secondsOf(this.#idleMs)];
    return {
      id: this.#id,
      requestFilePath: `${folder}/requests`,
      metaFilePath: `${folder}/metas`,
      startTime: this.#startedAt.toISOString(),
      endTime: this.#endedAt?.toISOString() ?? "not end yet",
      totalRequestsCount: total,
      failedRequestsCount: this.#failed,
      successRate: total === 0 ? 1 : 1 - this.#failed / total,
      invocationLatencyInSecs: executionSeconds + schedule + idle,
      invocationExecutionTimeInSecs: executionSeconds,
      invocationExecutionTimeInGBs: executionGbSeconds,
      invocationScheduleTimeInSecs: schedule,
      invocationIdleTimeInSecs: idle,
      totalSlotTimeInGBs: slotGbSeconds,
      totalLiveSlotCount: platform.liveSlots,
      score: this.#failed === 0 ? score : null,
    };
  }

  async #request(call: number, signal: AbortSignal): Promise<void> {
    const { trace, scaler, platform, now } = this.#options;
    const { key, runtime, memoryMb, timeoutMs } = trace.functions[trace.functionOf[call]!]!;
    const meta: SlotMeta = { key, runtime, timeoutSeconds: Math.round(timeoutMs / 1e3), memoryMb };
    const durationMs = trace.durationMs[call]!;
    const statusCode = trace.statusCode[call]!;
    try {
      const startedAtMs = Math.round(trace.epochMs + trace.startMs[call]!);
      const assignment = await timed(this.#scheduleMs, call, now, () =>
        scaler.assign({ requestId: randomUUID(), startedAtMs, meta }, signal),
      );
      platform.begin(assignment.instanceId, key);
      await sleep(durationMs, undefined, { signal });
      platform.end(assignment.instanceId);
      this.#executionMs[call] = durationMs;
      const isFault = statusCode !== STATUS_OK;
      const reason = isFault ? `the request came to ${statusCode}` : "";
      const result = { statusCode, durationMs: Math.round(durationMs), needDestroy: isFault, reason };
      await timed(this.#idleMs, call, now, () => scaler.idle(assignment, result, signal));
    } catch {
      this.#failed++;
    }
  }
}

/** Notes how long it took, also where it fails. */
async function timed<Value>(
  column: Float64Array,
  call: number,
  now: () => number,
  ask: () => Promise<Value>,
): Promise<Value> {
  const askedMs = now();
  try {
    return await ask();
  } finally {
    column[call] = now() - askedMs;
  }
}
