import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NO_USAGE, type Side, type Usage } from "#runtime/profile/sample.ts";
import { SampleTally, TERM_AT, type Tally } from "#runtime/profile/tally.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import { Corrections, type NodeWindow, type RedisClocks } from "./corrections.ts";
import { costOf, type CostConstants } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";

const CALL = { operations: 8, rounds: 2, cpuUs: 20 };
const SECOND_MS = 1_000;

type Calls = Readonly<Partial<Record<Side, number>>>;

/** Such calls; outside the sandbox they wait `callTimes` times as long as the model says. */
function talliesOf(
  calls: Calls,
  { callTimes = 1, usage = {} }: { readonly callTimes?: number; readonly usage?: Partial<Usage> } = {},
): readonly Tally[] {
  const tally = new SampleTally();
  for (const side of ["compute", "storage"] as const) {
    const used = { ...NO_USAGE, ...CALL, wallUs: 60, ...usage };
    const sample = { ...used, function: "f", version: "1", side, outcome: "ok" } as const;
    const elapsedUs = used.wallUs + callTimes * DEFAULT_CONSTANTS[side].callWaitUs;
    for (let call = 0; call < (calls[side] ?? 0); call++) tally.record(sample, elapsedUs);
  }
  return tally.take().tallies;
}

/** A node and a Redis whose clocks advance with what they are told. */
class World {
  readonly corrections = new Corrections();
  nowMs = 0;
  #clocks: RedisClocks = { atMs: 0, redisUs: 7e6, hostsUs: 5e6, commands: 100, commandsUs: 900 };

  window(tallies: readonly Tally[], more: Partial<NodeWindow> = {}, calibrated = DEFAULT_CONSTANTS): void {
    this.nowMs += WINDOW_MS;
    const window = { tallies, stretchMs: WINDOW_MS, nodeCores: null, hostCores: null, inFlight: 1, ...more };
    this.corrections.learnNode(window, calibrated, this.nowMs);
  }

  /** Since the last time Redis and its hosts have worked so much. */
  redis(worked: Partial<RedisClocks>): void {
    this.nowMs = Math.max(this.nowMs, this.#clocks.atMs + SECOND_MS);
    const { redisUs, hostsUs, commands, commandsUs } = this.#clocks;
    this.#clocks = {
      atMs: this.nowMs,
      redisUs: redisUs + (worked.redisUs ?? 0),
      hostsUs: hostsUs + (worked.hostsUs ?? 0),
      commands: commands + (worked.commands ?? 0),
      commandsUs: commandsUs + (worked.commandsUs ?? 0),
    };
    this.corrections.learnRedis(this.#clocks, DEFAULT_CONSTANTS, this.nowMs);
  }

  /** A constant ÷ the calibrated one. */
  times(side: Side, name: keyof CostConstants["compute"] & keyof CostConstants["storage"]): number {
    return this.corrections.constants(DEFAULT_CONSTANTS, this.nowMs)[side][name] / DEFAULT_CONSTANTS[side][name];
  }
}

/** Windows in which a node works so many times the model for such calls, and `besideCores` for nobody. */
function working(world: World, windows: number, calls: Calls, times: Readonly<Record<Side, number>>, besideCores = 0) {
  const { compute, storage } = DEFAULT_CONSTANTS;
  const workedUs =
    (calls.compute ?? 0) * times.compute * compute.nodeCallUs +
    (calls.storage ?? 0) * times.storage * storage.nodeCallUs;
  const nodeCores = workedUs / (1e3 * WINDOW_MS) + besideCores;
  for (let window = 0; window < windows; window++) world.window(talliesOf(calls), { nodeCores });
}

test("without measurements the constants are the calibrated ones", () => {
  expect(new Corrections().constants(DEFAULT_CONSTANTS, 1)).toEqual(DEFAULT_CONSTANTS);
});

describe.each([
  ["compute", 0.4],
  ["compute", 3],
  ["storage", 0.4],
  ["storage", 3],
] as const)("the wait outside the sandbox at %s, %d times the calibrated one,", (side, callTimes) => {
  const lone = talliesOf({ [side]: 50 }, { callTimes });
  const after = (more: Partial<NodeWindow>, tallies = lone): World => {
    const world = new World();
    for (let window = 0; window < 400; window++) world.window(tallies, more);
    return world;
  };

  test("is learned from calls that come one at a time, and forgotten when none come", () => {
    const world = after({});
    expect(world.times(side, "callWaitUs") / callTimes).toBeCloseTo(1, 0);
    expect(world.times(side, "roundWaitUs")).toBe(1);
    expect(world.times(side === "compute" ? "storage" : "compute", "callWaitUs")).toBe(1);
    world.nowMs += 300_000;
    expect(world.times(side, "callWaitUs")).toBeCloseTo(1);
  });

  test("is not learned from calls that wait for each other, or when others are in flight, or while calls fail", () => {
    expect(after({}, talliesOf({ [side]: 700 }, { callTimes })).times(side, "callWaitUs")).toBe(1);
    expect(after({ inFlight: 8 }).times(side, "callWaitUs")).toBe(1);
    const failing = lone.map((one) => ({ ...one, sums: one.sums.with(TERM_AT.untold, 40) }));
    expect(after({}, failing).times(side, "callWaitUs")).toBe(1);
  });
});

describe("work of nodes", () => {
  test("for a call is learned on both sides within a second when calls change sides", () => {
    const [world, truth] = [new World(), { compute: 2.5, storage: 0.6 }];
    for (let turn = 0; turn < 4; turn++) {
      working(world, 5, { compute: 400 }, truth);
      working(world, 5, { storage: 100 }, truth);
    }
    expect(world.times("compute", "nodeCallUs")).toBeCloseTo(2.5, 0);
    expect(world.times("storage", "nodeCallUs")).toBeCloseTo(0.6, 1);
    expect(world.corrections.workBeyondCalls(world.nowMs)).toBeLessThan(0.05);
  });

  test("that few calls cannot explain is subtracted, not attributed to them", () => {
    const world = new World();
    working(world, 200, { compute: 25, storage: 5 }, { compute: 1, storage: 1 }, 0.2);
    expect(world.times("compute", "nodeCallUs")).toBe(1);
    expect(world.corrections.workBeyondCalls(world.nowMs)).toBeCloseTo(0.2, 1);
    expect(world.corrections.workBeyondCalls(world.nowMs + 10_000)).toBeLessThan(0.01);
  });

  test("beyond four times the model is subtracted, not attributed to calls", () => {
    const world = new World();
    working(world, 200, { compute: 400 }, { compute: 1, storage: 1 }, 0.7);
    expect(world.times("compute", "nodeCallUs")).toBe(1);
    expect(world.corrections.workBeyondCalls(world.nowMs)).toBeCloseTo(0.7, 1);
  });
});

/** Seconds in which Redis and hosts work so many times the model for such calls. */
function serving(
  world: World,
  seconds: number,
  calls: Calls,
  { redis, hosts = 1 }: { readonly redis: Readonly<Record<Side, number>>; readonly hosts?: number },
  plain: Partial<RedisClocks> = {},
): void {
  const { compute = 0, storage = 0 } = calls;
  const lockUs = 3;
  const noLock = { ...CALL, bytes: 0, operations: 0 };
  const redisUs = {
    compute: compute * costOf("compute", { ...CALL, bytes: 0 }, DEFAULT_CONSTANTS).redisUs,
    storage: storage * costOf("storage", noLock, DEFAULT_CONSTANTS).redisUs,
  };
  const hostsUs = storage * (costOf("storage", { ...CALL, bytes: 0 }, DEFAULT_CONSTANTS).storageUs - CALL.cpuUs);
  for (let second = 0; second < seconds; second++) {
    world.window(talliesOf(calls, { usage: { lockUs } }), { inFlight: 9 });
    world.redis({
      redisUs:
        redis.compute * redisUs.compute + redis.storage * redisUs.storage + storage * lockUs + (plain.redisUs ?? 0),
      hostsUs: hosts * hostsUs + storage * CALL.cpuUs,
      commands: compute * CALL.operations + storage + (plain.commands ?? 0),
      commandsUs: storage * lockUs + (plain.commandsUs ?? 0),
    });
  }
}

const both = (times: number) => ({ compute: times, storage: times });

describe("work of Redis' thread and of the hosts beside it", () => {
  test.each([0.5, 1, 2.5])("for calls is learned within seconds when it is %d times the model", (times) => {
    const world = new World();
    serving(world, 8, { storage: 8_000 }, { redis: both(times), hosts: times });
    expect(world.times("storage", "redisCallUs")).toBeCloseTo(times, 1);
    expect(world.times("storage", "operationUs")).toBeCloseTo(times, 1);
    expect(world.times("storage", "redisOperationUs"), "lock time is measured").toBe(1);
    expect(world.corrections.plainCores).toBeLessThan(0.05);
  });

  test("is learned for calls of either side that change sides", () => {
    const [world, redis] = [new World(), { compute: 1.6, storage: 0.5 }];
    for (let turn = 0; turn < 6; turn++) {
      serving(world, 1, { compute: 15_000, storage: 2_000 }, { redis });
      serving(world, 1, { compute: 3_000, storage: 10_000 }, { redis });
    }
    expect(world.times("compute", "redisRoundUs")).toBeCloseTo(1.6, 0);
    expect(world.times("storage", "redisCallUs")).toBeCloseTo(0.5, 0);
  });

  test.each([
    ["many commands", { commands: 200_000, commandsUs: 60_000 }],
    ["few commands that take long", { commands: 20, commandsUs: 430_000 }],
  ])("that plain clients cause by %s is not attributed to calls", (_how, plain) => {
    const world = new World();
    serving(world, 12, { storage: 8_000 }, { redis: both(1) }, { redisUs: 430_000, ...plain });
    expect(world.times("storage", "redisCallUs")).toBeLessThan(1.1);
    expect(world.corrections.plainCores).toBeCloseTo(0.43, 1);
    serving(world, 12, { storage: 8_000 }, { redis: both(1) });
    expect(world.corrections.plainCores).toBeCloseTo(0, 1);
  });

  test("is not learned from few calls, nor while calls fail, nor when clocks start again", () => {
    const world = new World();
    serving(world, 5, { storage: 800 }, { redis: both(2), hosts: 2 });
    const failing = talliesOf({ storage: 8_000 }).map((one) => ({
      ...one,
      sums: one.sums.with(TERM_AT.untold, 2_000),
    }));
    for (let second = 0; second < 5; second++) {
      world.window(failing);
      world.redis({ redisUs: 500_000, hostsUs: 600_000, commands: 8_000 });
    }
    world.window(talliesOf({ storage: 8_000 }));
    world.redis({ redisUs: -1e6, hostsUs: -1e6, commands: -50 });
    expect(world.times("storage", "redisCallUs")).toBe(1);
    expect(world.times("storage", "operationUs")).toBe(1);
  });

  test("of hosts at compute is learned unless some calls came without a node", () => {
    const after = (isDirect: boolean): number => {
      const world = new World();
      const overheadUs = costOf("compute", { ...CALL, bytes: 0 }, DEFAULT_CONSTANTS).computeUs - CALL.cpuUs;
      const hostUs = 1_000 * (CALL.cpuUs + 2 * (overheadUs - DEFAULT_CONSTANTS.compute.nodeCallUs));
      for (let second = 0; second < 8; second++) {
        for (let window = 0; window < 8; window++) {
          world.window(talliesOf({ compute: 1_000 }), { inFlight: 9, hostCores: hostUs / (1e3 * WINDOW_MS) });
        }
        if (isDirect) world.corrections.learnDirect(talliesOf({ storage: 10 }));
        world.redis({});
      }
      return world.times("compute", "operationUs");
    };
    expect(after(false)).toBeCloseTo(2, 1);
    expect(after(true)).toBe(1);
  });
});

test("a calibration begins with corrections of its own", () => {
  const world = new World();
  serving(world, 8, { storage: 8_000 }, { redis: both(2) });
  const other = { ...DEFAULT_CONSTANTS };
  expect(world.corrections.constants(other, world.nowMs)).toEqual(DEFAULT_CONSTANTS);
});

test("whatever windows contain, constants stay within four times the calibrated ones", () => {
  const any = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }));
  const windows = fc.array(fc.record({ calls: fc.nat(1e6), times: any, nodeCores: any, redisUs: any }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(windows, fc.constantFrom("compute", "storage"), (told, side) => {
      const world = new World();
      for (const { calls, times, nodeCores, redisUs } of told) {
        const [one] = talliesOf({ [side]: 1 }, { callTimes: times });
        world.window([{ ...one!, sums: one!.sums.map((sum) => sum * calls) }], { nodeCores, hostCores: nodeCores });
        world.redis({ redisUs, hostsUs: redisUs, commands: calls });
      }
      for (const name of ["callWaitUs", "nodeCallUs", "operationUs", "redisCallUs"] as const) {
        expect(world.times(side, name)).toBeGreaterThanOrEqual(0.249);
        expect(world.times(side, name)).toBeLessThanOrEqual(4.001);
      }
      expect(world.corrections.workBeyondCalls(world.nowMs)).toBeGreaterThanOrEqual(0);
      expect(world.corrections.plainCores).toBeLessThanOrEqual(1);
    }),
  );
});
