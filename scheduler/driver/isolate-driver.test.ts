// What an isolate driver keeps count of; its isolates, and the calls in them: test/scheduler/drivers.test.ts.

import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LocusError } from "#runtime/errors.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { FunctionImage, IsolateBounds, Outcome, Supervisor } from "#runtime/sandbox/supervisor.ts";
import type { InstanceSpec } from "./driver.ts";
import { INSTANCES_MAX } from "./instance-bounds.ts";
import { IsolateDriver, type NodeCpu } from "./isolate-driver.ts";

const limits = { deadlineMs: 1, cpuMs: 1, memoryMb: 32, operations: 1, concurrency: 4 };
const description = { name: "f", version: "0", side: null, limits, input: null, output: null };
const image: FunctionImage = { description, bundle: Buffer.alloc(0) };
const specOf = (id: string): InstanceSpec => ({ id, image, memoryBytes: 2 ** 20, cpus: 0.01, concurrency: 4 });

/** Of two cores none is ever idle. */
const BUSY: NodeCpu = { cores: 2, cpuUs: () => 2_000 * performance.now(), idleUs: () => 0 };
/** What instances need whose calls are no matter. */
const uncalled = {
  functionState: () => null,
  invoke: () => Promise.reject(new Error("nobody calls")),
};

test("has as many instances as a node can tell of, and refuses one more until one is stopped", async () => {
  const driver = new IsolateDriver({ ...uncalled, keep: async () => {} }, BUSY);
  for (let at = 0; at < INSTANCES_MAX; at++) await driver.start(specOf(`i${at}`));
  await expect(driver.start(specOf("more"))).rejects.toMatchObject({ code: "OVERLOADED" });
  expect(await driver.list()).toHaveLength(INSTANCES_MAX);
  await driver.stop("i7");
  await driver.start(specOf("more"));
  await driver.close();
});

test.each([
  // Each takes 32 calls at once: one for each core is all that it has a use for.
  { concurrency: 32, cores: 2, cpus: 2, kept: 2, max: 2 },
  { concurrency: 256, cores: 2, cpus: 2, kept: 2, max: 2 },
  { concurrency: 32, cores: 8, cpus: 8, kept: 5, max: 8 },
  // While calls of one wait, those of others compute.
  { concurrency: 16, cores: 2, cpus: 2, kept: 4, max: 4 },
  { concurrency: 1, cores: 2, cpus: 2, kept: 5, max: 10 },
  { concurrency: 1, cores: 2, cpus: 1 / 4, kept: 2, max: 2 },
  // A part of a core is one that has room for one.
  { concurrency: 32, cores: 1 / 2, cpus: 1 / 2, kept: 1, max: 1 },
])(
  "keeps $kept isolates for 5 instances of $cpus CPUs that take $concurrency calls at once, on $cores cores",
  async ({ concurrency, cores, cpus, kept, max }) => {
    const told: IsolateBounds[] = [];
    const keep = async (_image: FunctionImage, bounds: IsolateBounds): Promise<void> => void told.push(bounds);
    const driver = new IsolateDriver({ ...uncalled, keep }, { ...BUSY, cores });
    const taking = { ...image, description: { ...description, limits: { ...limits, concurrency } } };
    for (let at = 0; at < 5; at++) await driver.start({ ...specOf(`i${at}`), image: taking, cpus, concurrency });
    expect(told.at(-1)).toEqual({ min: kept, max });
    for (let at = 0; at < 5; at++) await driver.stop(`i${at}`);
    expect(told.at(-1)?.min).toBe(0);
  },
);

describe("with more calls than its isolates take", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  const taking = { ...image, description: { ...description, limits: { ...limits, concurrency: 32 } } };
  const shared = (id: string): InstanceSpec => ({ ...specOf(id), image: taking, cpus: 1, concurrency: 32 });

  interface Playing {
    /** What the isolates use of the one core, and others. */
    readonly used?: (kept: number, ms: number) => number;
    readonly others?: number;
    /** In flight all the time, as many in each of four instances. */
    readonly calls?: number;
    /** More are refused, and asked for nevertheless until somebody asks for fewer. */
    readonly isolatesMax?: number;
    /** More take for ever to open. */
    readonly opensMax?: number;
    /** Each time that is asked for isolates. */
    readonly told?: number[];
  }

  /** Isolates that are kept after so many ms each time, and the driver as it is then. */
  async function played(
    { used = () => 0.5, others = 0, calls = 128, isolatesMax = Infinity, opensMax = Infinity, told = [] }: Playing,
    ...waitsMs: readonly number[]
  ): Promise<{
    readonly seen: readonly number[];
    readonly driver: IsolateDriver;
    readonly pass: (ms: number) => Promise<number>;
    /** All calls. */
    readonly end: () => void;
  }> {
    let [kept, cpuMs, idleMs, nowMs] = [0, 0, 0, 0];
    const node = { cores: 1, cpuUs: () => 1e3 * cpuMs, idleUs: () => 1e3 * idleMs };
    const keep = async (_image: FunctionImage, { min }: IsolateBounds): Promise<void> => {
      told.push((kept = min));
      if (min > isolatesMax) throw new LocusError("OVERLOADED", `there is no room for ${min}`);
      if (min > opensMax) await new Promise(() => {});
    };
    const ending = Promise.withResolvers<Outcome>();
    const driver = new IsolateDriver({ ...uncalled, keep, invoke: () => ending.promise }, node);
    for (let at = 0; at < 4; at++) {
      await driver.start(shared(`i${at}`));
      for (let call = 0; call < calls / 4; call++) {
        void driver.invoke(`i${at}`, { keys: [], argsJson: "null", deadlineMs: 1, logs: false });
      }
    }
    const pass = async (waitMs: number): Promise<number> => {
      for (let ms = 0; ms < waitMs; ms += 10) {
        const busy = used(kept, (nowMs += 10));
        cpuMs += 10 * busy;
        idleMs += 10 * Math.max(0, 1 - busy - others);
        await vi.advanceTimersByTimeAsync(10);
      }
      return kept;
    };
    const seen: number[] = [];
    for (const waitMs of waitsMs) seen.push(await pass(waitMs));
    const outcome: Outcome = { ok: true, resultJson: "1", usage: NO_USAGE, logs: [] };
    return { seen, driver, pass, end: () => ending.resolve(outcome) };
  }
  const keptAfter = async (playing: Playing, ...waitsMs: readonly number[]): Promise<readonly number[]> => {
    const { seen, driver } = await played(playing, ...waitsMs);
    await driver.close();
    expect(vi.getTimerCount()).toBe(0);
    return seen;
  };

  test("one more is kept each quarter of a second while a quarter of the cores is free, until each instance has its own", async () => {
    expect(await keptAfter({}, 200, 100, 250, 250, 1_000)).toEqual([1, 2, 3, 4, 4]);
  });

  test("none is where the cores are in use, by whomever, and no more than bring them there", async () => {
    expect(await keptAfter({ used: () => 0.8 }, 2_000)).toEqual([1]);
    expect(await keptAfter({ others: 0.4 }, 2_000)).toEqual([1]);
    expect(await keptAfter({ used: (kept) => 0.3 * kept }, 2_000)).toEqual([3]);
  });

  test("one that fills the cores is closed again, and opened more and more seldom", async () => {
    const told: number[] = [];
    const { driver } = await played({ used: (kept) => Math.min(1, 0.35 * kept), told }, 20_000);
    // After 1, 2, 4 and 8 s.
    expect(told.filter((kept, at) => kept === 3 && told[at - 1] === 2).length).toBeLessThanOrEqual(5);
    await driver.close();
  });

  test("none is where those that there are have room for all calls, and nobody looks", async () => {
    expect(await keptAfter({ calls: 32 }, 2_000)).toEqual([1]);
    const { driver } = await played({ calls: 0 }, 10);
    expect(vi.getTimerCount()).toBe(0);
    await driver.close();
  });

  test("they are fewer again where the cores come to be in use", async () => {
    const used = (_kept: number, ms: number): number => (ms <= 1_000 ? 0.5 : 1);
    expect(await keptAfter({ used }, 1_000, 260, 250, 1_000)).toEqual([4, 3, 2, 1]);
  });

  test("and where calls have room with fewer, one each second, until there is nothing to look for", async () => {
    const { driver, end, pass } = await played({}, 1_000);
    end();
    expect([await pass(990), await pass(1_000), await pass(1_000), await pass(1_000)]).toEqual([4, 3, 2, 1]);
    expect(vi.getTimerCount()).toBe(0);
    await driver.close();
  });

  test("what there is no room for is asked for no longer, and hinders no start", async () => {
    const { seen, driver } = await played({ isolatesMax: 2 }, 2_000);
    expect(seen).toEqual([2]);
    await driver.start(shared("i4"));
    await driver.close();
  });

  test("what is still to open keeps none waiting that shares those that there are", async () => {
    const { seen, driver } = await played({ opensMax: 1 }, 300);
    expect(seen).toEqual([2]);
    await driver.start(shared("i4"));
    await driver.close();
  });

  test("of what was beyond what cores have a use for nothing is left where instances were fewer", async () => {
    const told: number[] = [];
    const { driver } = await played({ told }, 1_000);
    expect(told.at(-1)).toBe(4);
    for (const id of ["i0", "i1", "i2"]) await driver.stop(id);
    expect(told.at(-1)).toBe(1);
    await driver.start(shared("i4"));
    expect(told.at(-1)).toBe(1);
    await driver.close();
  });
});

test("looks for free cores no more where its instances' CPUs, whose sum is not exact, are what bounds the isolates", async () => {
  vi.useFakeTimers();
  const node = { cores: 1, cpuUs: () => 0, idleUs: () => 1e3 * performance.now() };
  const driver = new IsolateDriver({ ...uncalled, keep: async () => {}, invoke: () => new Promise(() => {}) }, node);
  const taking = { ...image, description: { ...description, limits: { ...limits, concurrency: 32 } } };
  for (let at = 0; at < 4; at++) {
    await driver.start({ ...specOf(`i${at}`), image: taking, cpus: 0.25 + 1e-8, concurrency: 32 });
    for (let call = 0; call < 32; call++) {
      void driver.invoke(`i${at}`, { keys: [], argsJson: "null", deadlineMs: 1, logs: false });
    }
  }
  expect(vi.getTimerCount()).toBe(0);
  await driver.close();
  vi.useRealTimers();
});

test("keeps nothing of a call that has ended, however long its caller's signal lives", async () => {
  const signals: WeakRef<AbortSignal>[] = [];
  const invoke: Supervisor["invoke"] = async (_call, signal) => {
    // As the real one, for good.
    signal?.addEventListener("abort", () => {}, { once: true });
    if (signal !== undefined) signals.push(new WeakRef(signal));
    return { ok: true, resultJson: "1", usage: NO_USAGE, logs: [] };
  };
  const driver = new IsolateDriver({ ...uncalled, keep: async () => {}, invoke }, BUSY);
  await driver.start(specOf("i"));
  const caller = new AbortController();
  for (let count = 0; count < 10; count++) {
    await driver.invoke("i", { keys: [], argsJson: "null", deadlineMs: 1_000, logs: false }, caller.signal);
  }
  expect(signals).toHaveLength(10);
  expect(getEventListeners(caller.signal, "abort")).toEqual([]);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await vi.waitFor(() => {
    collect();
    expect(signals.filter((signal) => signal.deref() !== undefined)).toEqual([]);
  });
  await driver.close();
});
