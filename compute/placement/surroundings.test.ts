import { once } from "node:events";
import type { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { AS_CALIBRATED, NOTHING_RECKONED, type ReckonedWork } from "#runtime/placement/calls-work.ts";
import { openLastingConnection } from "../node/redis-connection.ts";
import { startScriptedRedis, type ScriptedRedis } from "../node/scripted-redis.ts";
import { RedisWatch } from "./surroundings.ts";

/** What Redis tells of itself. */
interface Told {
  /** CPU time of its one thread, s. */
  readonly mainThreadS: number;
  /** Of its other threads, s, and of the hosts beside it, µs. */
  readonly besideS: number;
  readonly hostsUs: number;
  /** While its lock was held: by anybody, and by its one thread, µs. */
  readonly lockUs: number;
  readonly lockUsOfMainThread: number;
  /** Commands, and those of them that functions beside it sent. */
  readonly commands: number;
  readonly asCommands: number;
  /** Time that two kinds of them took, µs. */
  readonly getUs: number;
  readonly keysUs: number;
  readonly cpus: string;
  /** null: a module that does not tell. */
  readonly cores: string | null;
  readonly isolatesMax: string | null;
  readonly obstacle: string;
  readonly readCache: string;
  readonly operations: number;
  /** Lines beside these. */
  readonly more: Readonly<Record<string, string>>;
}

const AT_REST: Told = {
  mainThreadS: 100,
  besideS: 0,
  hostsUs: 0,
  lockUs: 0,
  lockUsOfMainThread: 0,
  commands: 0,
  asCommands: 0,
  getUs: 0,
  keysUs: 0,
  cpus: "0-1",
  cores: "2",
  isolatesMax: "16",
  obstacle: "",
  readCache: "yes",
  operations: 1,
  more: {},
};
/** Over so long what is worked is held against calls. */
const SECOND_MS = 1_000;
/** And so often it is asked. */
const EVERY_MS = 250;

let server: ScriptedRedis;
let redis: Redis;
let told: Told | null;
let nowMs: number;
/** What calls have come to. */
let reckoned: ReckonedWork | null;
let asked: number;
let changes: number;
let watch: RedisWatch;

beforeEach(async () => {
  [told, nowMs, reckoned, asked, changes] = [AT_REST, 0, NOTHING_RECKONED, 0, 0];
  server = await startScriptedRedis(([command = ""]) => {
    if (told === null) return new Error("LOADING Redis is loading the dataset in memory");
    if (command === "info") {
      const allS = told.mainThreadS + told.besideS;
      const cpu = `# CPU\r\nused_cpu_user:${allS}\r\nused_cpu_user_main_thread:${told.mainThreadS}\r\n`;
      const usOf = (name: string, us: number): string =>
        `cmdstat_${name}:calls=9,usec=${us},usec_per_call=1.00,rejected_calls=0\r\n`;
      const commandstats = `# Commandstats\r\n${usOf("get", told.getUs)}${usOf("keys", told.keysUs)}${usOf("locus.call", 1e9)}`;
      return `${cpu}# Stats\r\ntotal_commands_processed:${told.commands}\r\n${commandstats}`;
    }
    asked += 1;
    const { hostsUs, lockUs, lockUsOfMainThread, asCommands, cpus, cores, isolatesMax, obstacle } = told;
    return [
      "machine:here",
      `cpus:${cpus}`,
      ...(cores === null ? [] : [`cores:${cores}`]),
      ...(isolatesMax === null ? [] : [`isolates_max:${isolatesMax}`]),
      `hosts_cpu_us:${hostsUs}`,
      `lock_us:${lockUs}`,
      `lock_us_of_main_thread:${lockUsOfMainThread}`,
      `operations_as_commands:${asCommands}`,
      `hosts_obstacle:${obstacle}`,
      `read_cache_in_use:${told.readCache}`,
      `operations:${told.operations}`,
      ...Object.entries(told.more).map((line) => line.join(":")),
    ].join("\r\n");
  });
  redis = openLastingConnection(server.address, server.user, "test");
  await once(redis, "ready");
  watch = new RedisWatch({
    redis,
    reckoned: () => reckoned,
    onChange: () => (changes += 1),
    nowMs: () => nowMs,
  });
});
afterEach(async () => {
  redis.disconnect();
  await server.close();
});

/** Later, Redis says this. */
const msLater = async (ms: number, change: Partial<Told>): Promise<void> => {
  told = { ...(told ?? AT_REST), ...change };
  nowMs += ms;
  const before = watch.surroundings.storage;
  const isToldAnew = (): void => {
    // What was asked before may be under way still.
    watch.keepFresh();
    expect(watch.surroundings.storage).not.toBe(before);
  };
  await vi.waitFor(isToldAnew, { interval: 1 });
};
const secondLater = (change: Partial<Told>): Promise<void> => msLater(SECOND_MS, change);
const threadLeft = (): number => watch.surroundings.storage.redisThread;

describe("what plain clients leave of Redis' thread", () => {
  test("is all of it until two answers tell what it works, and then what it does not, half at a time", async () => {
    await secondLater({});
    expect(threadLeft()).toBe(1);
    await secondLater({ mainThreadS: 100.6 });
    expect(threadLeft()).toBeCloseTo(0.7);
    await secondLater({ mainThreadS: 101.2 });
    expect(threadLeft()).toBeCloseTo(0.55);
    for (let at = 0; at < 10; at++) await secondLater({});
    expect(threadLeft()).toBeCloseTo(1, 2);
  });

  test("is not lessened by what functions take of it", async () => {
    await secondLater({});
    reckoned = { ...NOTHING_RECKONED, redisUs: { compute: 0, storage: 500_000 }, lockUs: 100_000 };
    await secondLater({ mainThreadS: 100.6 });
    expect(threadLeft()).toBeCloseTo(1);
    reckoned = { ...NOTHING_RECKONED, redisUs: { compute: 0, storage: 500_000 }, lockUs: 100_000 };
    await secondLater({ mainThreadS: 101.4 });
    expect(threadLeft()).toBeCloseTo(0.9);
  });

  test("is as it was while nobody counts what they take, and where whoever counts has just begun", async () => {
    await secondLater({});
    reckoned = null;
    await secondLater({ mainThreadS: 100.6 });
    expect(threadLeft()).toBe(1);
    reckoned = NOTHING_RECKONED;
    watch.beginAnew();
    await secondLater({ mainThreadS: 101.2 });
    expect(threadLeft()).toBe(1);
    await secondLater({ mainThreadS: 101.8 });
    expect(threadLeft()).toBeCloseTo(0.7);
  });

  test("lies between what it is if calls that fail take nothing of it, and if they take as much as others do", async () => {
    await secondLater({});
    reckoned = { ...NOTHING_RECKONED, redisUs: { compute: 0, storage: 300_000 }, calls: 10, untold: 10 };
    await secondLater({ mainThreadS: 100.6 });
    expect(threadLeft(), "they may have worked all of it").toBe(1);
    await secondLater({ mainThreadS: 101.5 });
    expect(threadLeft(), "0.3 of 0.9 are others' whatever they have worked").toBeCloseTo(0.85);
    reckoned = { ...NOTHING_RECKONED, untold: 10 };
    await secondLater({ mainThreadS: 102.4 });
    expect(threadLeft(), "nobody knows what they work").toBeCloseTo(0.85);
    await secondLater({});
    expect(threadLeft(), "nothing was worked").toBeCloseTo(0.925);
  });

  test("is less by the time that another thread holds its lock, and not twice by its own", async () => {
    await secondLater({});
    await secondLater({ lockUs: 500_000, lockUsOfMainThread: 100_000 });
    expect(threadLeft()).toBeCloseTo(0.8);
    await secondLater({ lockUs: 600_000, lockUsOfMainThread: 200_000 });
    expect(threadLeft()).toBeCloseTo(0.9);
  });

  test("is never nothing", async () => {
    for (let at = 0; at < 12; at++) await secondLater({ mainThreadS: 100 + at });
    expect(threadLeft()).toBe(0.1);
  });

  test("is not more than all of it, also where Redis has begun anew and counts from nothing", async () => {
    await secondLater({});
    await secondLater({ mainThreadS: 100.4 });
    await secondLater({ mainThreadS: 0 });
    expect(threadLeft()).toBeCloseTo(0.9);
  });
});

test("the calls that the module counts are known where it tells of all of them, and while this node controls", async () => {
  const more = {
    calls_queued: "1",
    calls_starting: "2",
    calls_running: "3",
    calls_waiting: "4",
    calls_done: "5",
    calls_failed: "6",
    calls_pushed_back: "7",
    calls_let_stay: "8",
  };
  expect(watch.calls).toBeNull();
  await secondLater({ more });
  const now = { queued: 1, starting: 2, running: 3, waiting: 4 };
  const ended = { done: 5, failed: 6, "pushed-back": 7 };
  expect(watch.calls).toEqual({ now, ended, letStay: 8 });
  await secondLater({ more: { ...more, calls_running: "many" } });
  expect(watch.calls).toBeNull();
  const { calls_let_stay: _, ...older } = more;
  await secondLater({ more: older });
  expect(watch.calls).toBeNull();
  await secondLater({ more });
  watch.beginAnew();
  expect(watch.calls).toBeNull();
});

describe("what Redis and its hosts work for calls", () => {
  const work = () => watch.surroundings.callsWork;
  const asReckoned = async (): Promise<void> => {
    await secondLater({});
    const commands = 10_000;
    const beside = { besideUs: 200_000, computedUs: 300_000 };
    reckoned = {
      ...NOTHING_RECKONED,
      redisUs: { compute: 0, storage: 500_000 },
      lockUs: 50_000,
      ...beside,
      commands,
      calls: 10_000,
    };
  };

  test("is held against what the constants have them work, once a second", async () => {
    await asReckoned();
    await secondLater({ mainThreadS: 100.3, besideS: 0.1, hostsUs: 400_000 });
    expect(work().redis.storage).toBeCloseTo(1 - 0.5 * (1 - 250 / 500));
    expect(work().beside).toBeCloseTo(1);
    expect(threadLeft()).toBe(1);
  });

  test("is more than they have it where nobody but calls sent it commands, functions' own not counted", async () => {
    await asReckoned();
    await secondLater({ mainThreadS: 100.8, commands: 30_000, asCommands: 20_000 });
    expect(work().redis.storage).toBeCloseTo(1 + 0.5 * (750 / 500 - 1));
    await asReckoned();
    const before = work().redis.storage;
    await secondLater({ mainThreadS: 101.6, commands: 100_000, asCommands: 20_000 });
    expect(work().redis.storage).toBeLessThan(before);
  });

  test("is not more by what commands took that no call sent", async () => {
    await asReckoned();
    const began = { mainThreadS: 100.8, commands: 10_010, getUs: 55_000 };
    await secondLater({ ...began, keysUs: 200_000 });
    expect(work().redis.storage).toBeCloseTo(1 + 0.5 * ((750 - 205) / 500 - 1));
  });

  test("is as calibrated again after a calibration, whose own calls nobody counts", async () => {
    await asReckoned();
    await secondLater({ mainThreadS: 100.3, hostsUs: 400_000 });
    expect(work()).not.toEqual(AS_CALIBRATED);
    watch.calibrated(DEFAULT_CONSTANTS, "measured");
    await secondLater({ mainThreadS: 100.9, hostsUs: 900_000 });
    expect(work()).toEqual(AS_CALIBRATED);
  });
});

describe("what is asked of Redis", () => {
  test("says which cores it has, and whether calls can run beside it; who decides is told of a change", async () => {
    await secondLater({});
    expect(watch.surroundings.storage).toMatchObject({
      machine: { id: "here", cpus: [0, 1], cores: 2 },
      isOpen: true,
    });
    expect(changes).toBe(1);
    await secondLater({ mainThreadS: 100.5 });
    expect(changes).toBe(1);
    await secondLater({ obstacle: "no launcher" });
    expect(watch.surroundings.storage.isOpen).toBe(false);
    expect(changes).toBe(2);
    await secondLater({ obstacle: "", cpus: "" });
    expect(watch.surroundings.storage).toMatchObject({ machine: null, isOpen: true });
    expect(changes).toBe(3);
  });

  test("says whether reads are found there", async () => {
    await secondLater({});
    expect(watch.surroundings.storage.findsReads).toBe(true);
    await secondLater({ readCache: "no" });
    expect(watch.surroundings.storage.findsReads).toBe(false);
    await secondLater({ operations: 0 });
    expect(watch.surroundings.storage.findsReads, "nobody has read yet").toBe(true);
  });

  test("says how many of them a quota leaves, and how many its hosts can compute with; who decides is told of a change", async () => {
    await secondLater({ cpus: "0-15", cores: "16" });
    const before = changes;
    await secondLater({ cores: "2", isolatesMax: "1" });
    expect(watch.surroundings.storage).toMatchObject({ machine: { cores: 2 }, isolatesMax: 1 });
    expect(watch.surroundings.storage.machine?.cpus).toHaveLength(16);
    expect(changes).toBe(before + 1);
  });

  test.each([null, "", "many", "0", "-2", "1.5", "NaN"])(
    "leaves all of them where it tells %j, as an older module does or none should",
    async (nonsense) => {
      await secondLater({ cpus: "0-15", cores: nonsense, isolatesMax: nonsense });
      expect(watch.surroundings.storage).toMatchObject({ machine: { cores: 16 }, isolatesMax: Infinity });
    },
  );

  test("has no more cores than it may run on", async () => {
    await secondLater({ cores: "1000" });
    expect(watch.surroundings.storage.machine?.cores).toBe(2);
  });

  test("is asked four times a second at most, and what is worked is held against calls once a second", async () => {
    await secondLater({});
    for (let ms = 0; ms < EVERY_MS; ms += 25) {
      watch.keepFresh();
      nowMs += 25;
    }
    await msLater(0, {});
    expect(asked).toBe(2);
    await msLater(EVERY_MS, { mainThreadS: 100.6 });
    await msLater(EVERY_MS, {});
    expect(threadLeft()).toBe(1);
    await msLater(EVERY_MS, {});
    expect(threadLeft()).toBeCloseTo(0.7);
    expect(asked).toBe(5);
  });

  test("says how many cores its hosts get", async () => {
    const coreTimes = (seconds: number): Partial<Told> => {
      const us = 1e6 * seconds;
      const [redis, hosts] = [`redis_us=${3e5 * seconds}`, `hosts_us=${2e5 * seconds},hosts_waited_us=${9 * us}`];
      return { more: { core_times: `clock_us=${us},cpus=2,idle_us=0,interrupts_us=0,${redis},${hosts}` } };
    };
    await msLater(0, coreTimes(10));
    expect(watch.surroundings.storage.hostCores).toBe(Infinity);
    await msLater(EVERY_MS, coreTimes(11));
    expect(watch.surroundings.storage.hostCores).toBeCloseTo(0.2);
    await msLater(EVERY_MS, { more: {} });
    expect(watch.surroundings.storage.hostCores, "an older module").toBe(Infinity);
  });

  test("holds while Redis answers nothing", async () => {
    await secondLater({});
    await secondLater({ mainThreadS: 100.4 });
    const before = watch.surroundings.storage;
    told = null;
    nowMs += SECOND_MS;
    watch.keepFresh();
    await redis.call("LOCUS.INFO").catch(() => {});
    expect(watch.surroundings.storage).toBe(before);
    await secondLater({ mainThreadS: 100.4 });
    expect(threadLeft()).toBeCloseTo(0.9);
  });
});

test("constants are the usual ones until they are measured, and whoever decides learns of it", () => {
  expect(watch.surroundings.constants).toBe(DEFAULT_CONSTANTS);
  expect(watch.constantsFrom).toBe("usual");
  const constants = { ...DEFAULT_CONSTANTS, compute: { ...DEFAULT_CONSTANTS.compute, roundWaitUs: 1_100 } };
  watch.calibrated(constants, "measured");
  expect(watch.surroundings.constants).toBe(constants);
  expect(watch.constantsFrom).toBe("measured");
  expect(changes).toBe(1);
});
