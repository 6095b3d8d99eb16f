// Whether functions lack CPU: their threads are ready to run and wait for a core. The kernel counts
// this wait of each thread (schedstat); LOCUS.INFO has the sums of the hosts beside Redis.

import { globSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Sums over threads until one moment, µs of `clockUs`. */
export interface CpuTimes {
  readonly clockUs: number;
  readonly ranUs: number;
  readonly waitedUs: number;
}

/** By where functions run: "beside Redis", "on this node". null: unknown. */
export type CpuReadings = ReadonlyMap<string, CpuTimes | null>;

/** Threads that wait: for each that runs, and at least. Cores full of calls alone reach 1.5. Not sensitive. */
const WAITING_PER_RUNNING = 2;
const WAITING_MIN = 0.1;
/** Warnings are about an interval of this length. The module reads its times about every 300 ms. Not sensitive. */
const INTERVAL_MS = { min: 500, max: 30_000 };

export class CpuLack {
  readonly #read: () => Promise<CpuReadings>;
  #before: CpuReadings = new Map();
  #readMs = -Infinity;
  /** Of the last question; who asks meanwhile gets the same. */
  #warnings: Promise<readonly string[]> = Promise.resolve([]);

  constructor(read: () => Promise<CpuReadings>) {
    this.#read = read;
  }

  /** A sentence for each place, about the time since the last question, or the next half second if that is long ago. */
  warnings(nowMs = performance.now(), pause: (ms: number) => Promise<unknown> = sleep): Promise<readonly string[]> {
    const passedMs = nowMs - this.#readMs;
    if (passedMs < INTERVAL_MS.min) return this.#warnings;
    const isLongAgo = passedMs > INTERVAL_MS.max;
    this.#readMs = isLongAgo ? nowMs + INTERVAL_MS.min : nowMs;
    return (this.#warnings = this.#compare(isLongAgo ? () => pause(INTERVAL_MS.min) : null));
  }

  async #compare(pause: (() => Promise<unknown>) | null): Promise<readonly string[]> {
    if (pause !== null) {
      this.#before = await this.#read();
      await pause();
    }
    const after = await this.#read();
    const texts = Array.from(after, ([place, times]) => lackText(place, this.#before.get(place) ?? null, times));
    this.#before = after;
    return texts.filter((text) => text !== null);
  }
}

/** null: functions lack nothing there, or nobody knows. */
function lackText(place: string, before: CpuTimes | null, after: CpuTimes | null): string | null {
  if (before === null || after === null) return null;
  const secondsOf = (name: keyof CpuTimes): number => (after[name] - before[name]) / 1e6;
  const [passed, ran, waited] = [secondsOf("clockUs"), secondsOf("ranUs"), secondsOf("waitedUs")];
  // Threads that end take their times along.
  if (!(passed > 0 && ran >= 0) || waited < Math.max(WAITING_MIN * passed, WAITING_PER_RUNNING * ran)) return null;
  const interval = `within ${passed.toFixed(2)} s`;
  return `functions ${place} lack CPU: ${interval} their threads ran for ${ran.toFixed(2)} s and waited ${waited.toFixed(2)} s for a core`;
}

/** Of all threads of these processes. null: one has ended meanwhile. */
export function cpuTimesOf(pids: readonly number[]): CpuTimes | null {
  try {
    const files = pids.flatMap((pid) => globSync(`/proc/${pid}/task/*/schedstat`));
    const threads = files.map((file) => readFileSync(file, "utf8").split(" ").map(Number));
    const sumUs = (at: number): number => threads.reduce((sum, ns) => sum + ns[at]!, 0) / 1e3;
    return { clockUs: performance.now() * 1e3, ranUs: sumUs(0), waitedUs: sumUs(1) };
  } catch {
    return null;
  }
}
