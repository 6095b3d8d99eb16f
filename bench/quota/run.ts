// One repetition: instances start, have the load, and end; with quotas as configured, or such as follow what is used.

import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "#compute/cli/summary.ts";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import type { CgroupFolder } from "#scheduler/driver/cgroup.ts";
import type { Driver } from "#scheduler/driver/driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { QuotaDriver } from "#scheduler/reallocation/quota-driver.ts";
import { callOf, imageOf } from "#test/scheduler/driver-fixture.ts";
import { FUNCTIONS, type Arrival } from "./load.ts";
import { MeteredDriver, type Reserved } from "./metered-driver.ts";

/** Of each instance. */
export const LIMIT_CPUS = 0.5;
/** Of all: as configured they have just that. */
export const TOTAL_CPUS = LIMIT_CPUS * FUNCTIONS;
const MEMORY_BYTES = 128 * 2 ** 20;
/** No call is ever refused, and none given up. */
const CONCURRENCY = 1_000;
const DEADLINE_MS = 60_000;
const LOOK_MS = 100;
/** Calls of each instance before the load: compilers warm up. */
const WARM_UP_CALLS = 20;

/** Works so long, as far as the processor has been told apart from others. */
const WORK = imageOf(
  ({ args }: { readonly args: number }) => {
    let mixed = 1;
    for (let round = 0; round < args; round++) mixed = (Math.imul(mixed, 1_103_515_245) + 12_345) | 0;
    return mixed;
  },
  { limits: { deadlineMs: DEADLINE_MS } },
);

export interface Run {
  readonly reservedPerUsed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly details: Readonly<Record<string, number>>;
  /** What each instance used between looks in which it had calls, in CPUs. */
  readonly series: readonly (readonly number[])[];
  /** In seconds of the run. */
  readonly reserved: readonly (readonly [s: number, cpus: number])[];
}

const open = (cgroups: CgroupFolder | null): Driver =>
  new AgentDriver(new ProcessLauncher({ data: null, cgroups, onLog: () => {} }));

/** Rounds of the work that take a ms of CPU time here. */
export async function roundsPerMs(): Promise<number> {
  await using driver = disposable(open(null));
  await driver.start(specOf("calibration"));
  const rounds = 20_000_000;
  let cpuMs = Infinity;
  for (let run = 0; run < 5; run++) {
    const outcome = await driver.invoke("calibration", callOf(rounds));
    cpuMs = Math.min(cpuMs, outcome.usage.cpuUs / 1e3);
  }
  return rounds / cpuMs;
}

export async function runOnce(
  follows: boolean,
  cgroups: CgroupFolder | null,
  arrivals: readonly Arrival[],
  rounds: number,
): Promise<Run> {
  const metered = new MeteredDriver(open(cgroups));
  const options = { driver: metered, cpus: TOTAL_CPUS, limitsAtOnce: true, onUnheld: () => {} };
  await using driver = disposable(follows ? new QuotaDriver(options) : metered);
  const ids = Array.from({ length: FUNCTIONS }, (_, index) => `function-${index}`);
  const startedMs = performance.now();
  await Promise.all(ids.map((id) => driver.start(specOf(id))));
  const call = async (of: number, cpuMs: number): Promise<void> => {
    const outcome = await driver.invoke(ids[of]!, callOf(Math.round(cpuMs * rounds), { deadlineMs: DEADLINE_MS }));
    if (!outcome.ok) throw new Error(`a call came to ${outcome.error.code}: ${outcome.error.message}`);
  };
  for (let warmUp = 0; warmUp < WARM_UP_CALLS; warmUp++) await Promise.all(ids.map((_, of) => call(of, 1)));
  const calls = ids.map(() => 0);
  const looks = new Looks(metered, ids, calls);
  const waitsMs = await waitsOf(arrivals, async ({ of, cpuMs }) => {
    calls[of]!++;
    await call(of, cpuMs);
  });
  await looks.close();
  await Promise.all(ids.map((id) => driver.stop(id)));
  const { reservedCpuMs, usedCpuMs, limits, history } = metered;
  const sorted = Float64Array.from(waitsMs).toSorted();
  const seconds = (performance.now() - startedMs) / 1e3;
  return {
    reservedPerUsed: reservedCpuMs / usedCpuMs,
    p50Ms: percentile(sorted, 50) ?? Number.NaN,
    p99Ms: percentile(sorted, 99) ?? Number.NaN,
    details: { calls: waitsMs.length, usedCpus: usedCpuMs / 1e3 / seconds, limitsPerSecond: limits / seconds },
    series: looks.series,
    reserved: steps(history, startedMs),
  };
}

/** From when each was due until it was answered. */
async function waitsOf(arrivals: readonly Arrival[], call: (arrival: Arrival) => Promise<void>): Promise<number[]> {
  const startedMs = performance.now();
  const waits: Promise<number>[] = [];
  const failed = new AbortController();
  const answered = async (arrival: Arrival): Promise<number> => {
    await call(arrival).catch((error: unknown) => failed.abort(error));
    return performance.now() - startedMs - arrival.atMs;
  };
  for (const arrival of arrivals) {
    const leftMs = arrival.atMs - (performance.now() - startedMs);
    if (leftMs > 0) await sleep(leftMs);
    failed.signal.throwIfAborted();
    waits.push(answered(arrival));
  }
  const answers = await Promise.all(waits);
  failed.signal.throwIfAborted();
  return answers;
}

/** Looks at what instances use; of both ways, so that both pay for it. */
class Looks {
  readonly series: number[][];
  readonly #ended: Promise<void>;
  #closed = false;

  constructor(driver: Driver, ids: readonly string[], calls: readonly number[]) {
    this.series = ids.map(() => []);
    this.#ended = this.#look(driver, ids, calls);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#ended;
  }

  async #look(driver: Driver, ids: readonly string[], calls: readonly number[]): Promise<void> {
    let before = { atMs: performance.now(), cpuUs: ids.map(() => NaN), calls: [...calls] };
    while (!this.#closed) {
      const listed = new Map((await driver.list()).map((one) => [one.id, one]));
      const atMs = performance.now();
      const cpuUs = ids.map((id) => listed.get(id)?.use?.cpuUs ?? NaN);
      for (const [index] of ids.entries()) {
        const used = (cpuUs[index]! - before.cpuUs[index]!) / 1e3 / (atMs - before.atMs);
        const hadCalls = calls[index]! > before.calls[index]! || (listed.get(ids[index]!)?.inFlight ?? 0) > 0;
        if (hadCalls && Number.isFinite(used)) this.series[index]!.push(used);
      }
      before = { atMs, cpuUs, calls: [...calls] };
      await sleep(LOOK_MS);
    }
  }
}

const specOf = (id: string) => ({
  id,
  image: WORK,
  memoryBytes: MEMORY_BYTES,
  cpus: LIMIT_CPUS,
  concurrency: CONCURRENCY,
});

const disposable = (driver: Driver): Driver & AsyncDisposable =>
  Object.assign(driver, { [Symbol.asyncDispose]: () => driver.close() });

/** As a line with corners. */
const steps = (history: readonly Reserved[], startedMs: number): readonly (readonly [number, number])[] =>
  history.flatMap(({ atMs, cpus }, index) => {
    const s = (atMs - startedMs) / 1e3;
    return [[s, history[index - 1]?.cpus ?? 0] as const, [s, cpus] as const];
  });
