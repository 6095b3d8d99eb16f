import { once } from "node:events";
import type { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { RedisClocks } from "#runtime/placement/corrections.ts";
import { openLastingConnection } from "../node/redis-connection.ts";
import { startScriptedRedis, type ScriptedRedis } from "../node/scripted-redis.ts";
import { RedisWatch } from "./redis-watch.ts";

/** Lines of INFO and LOCUS.INFO. */
const SERVER: Readonly<Record<string, string>> = {
  used_cpu_user: "101",
  used_cpu_sys: "51",
  used_cpu_user_main_thread: "100",
  used_cpu_sys_main_thread: "50",
  total_commands_processed: "900",
  cmdstat_get: "calls=9,usec=70,usec_per_call=1.00",
  cmdstat_keys: "calls=1,usec=5,usec_per_call=1.00",
  "cmdstat_locus.call": "calls=9,usec=10000,usec_per_call=1.00",
  cmdstat_eval: "calls=9,usec=10000,usec_per_call=1.00",
};
const MODULE: Readonly<Record<string, string>> = {
  machine: "here",
  cpus: "0-15",
  cores: "2",
  isolates_max: "16",
  hosts_cpu_us: "700",
  lock_us: "300",
  lock_us_of_main_thread: "100",
  operations_as_commands: "400",
  hosts_obstacle: "",
  read_cache_in_use: "yes",
  operations: "1",
};
const CALLS: Readonly<Record<string, string>> = {
  calls_queued: "1",
  calls_starting: "2",
  calls_running: "3",
  calls_waiting: "4",
  calls_done: "5",
  calls_failed: "6",
  calls_pushed_back: "7",
  calls_let_stay: "8",
};

let server: ScriptedRedis;
let redis: Redis;
/** null: Redis answers nothing. */
let module: Readonly<Record<string, string>> | null;
let nowMs: number;
let changes: number;
let clocks: RedisClocks[];
let watch: RedisWatch;

beforeEach(async () => {
  [module, nowMs, changes, clocks] = [MODULE, 0, 0, []];
  const linesOf = (info: Readonly<Record<string, string>>): string =>
    Object.entries(info)
      .map((line) => line.join(":"))
      .join("\r\n");
  server = await startScriptedRedis(([command = ""]) => {
    if (module === null) return new Error("LOADING Redis is loading the dataset in memory");
    return linesOf(command === "info" ? SERVER : module);
  });
  redis = openLastingConnection(server.address, server.user, "test");
  await once(redis, "ready");
  watch = new RedisWatch({
    redis,
    onClocks: (one) => clocks.push(one),
    onChange: () => (changes += 1),
    nowMs: () => nowMs,
  });
});
afterEach(async () => {
  redis.disconnect();
  await server.close();
});

const storageAfter = async (ms: number, change: Readonly<Record<string, string>> = {}) => {
  module = { ...MODULE, ...change };
  nowMs += ms;
  const before = watch.storage;
  await vi.waitFor(
    () => {
      watch.keepFresh();
      expect(watch.storage).not.toBe(before);
    },
    { interval: 1 },
  );
  return watch.storage;
};

test("the clocks tell how long Redis' thread, the hosts and commands have worked", async () => {
  await storageAfter(1_000);
  // Another thread held the lock for 200 µs. Commands of functions, and those that run others, are not counted.
  expect(clocks).toEqual([{ atMs: 1_000, redisUs: 150_000_200, hostsUs: 2_000_500, commands: 500, commandsUs: 75 }]);
});

test("a change of Redis' machine or of what can run there is reported", async () => {
  expect(await storageAfter(250)).toMatchObject({
    machine: { id: "here", cores: 2 },
    isolatesMax: 16,
    isOpen: true,
    findsReads: true,
  });
  expect(watch.storage.machine?.cpus).toHaveLength(16);
  await storageAfter(250);
  expect(changes).toBe(1);
  expect((await storageAfter(250, { hosts_obstacle: "no launcher" })).isOpen).toBe(false);
  expect((await storageAfter(250, { cores: "1000" })).machine?.cores, "no more than may be used").toBe(16);
  expect((await storageAfter(250, { cpus: "" })).machine).toBeNull();
  expect(changes).toBe(4);
});

test.each(["", "many", "0", "-2", "1.5", "NaN"])("all cores count when the module says %j", async (nonsense) => {
  const storage = await storageAfter(250, { cores: nonsense, isolates_max: nonsense });
  expect(storage).toMatchObject({ machine: { cores: 16 }, isolatesMax: Infinity });
});

test("the read cache is in use if it says so, or nothing has been read yet", async () => {
  expect((await storageAfter(250, { read_cache_in_use: "no" })).findsReads).toBe(false);
  expect((await storageAfter(250, { read_cache_in_use: "no", operations: "0" })).findsReads).toBe(true);
});

test("the module's counts of calls are known once Redis has answered", async () => {
  expect(watch.calls).toBeNull();
  await storageAfter(250, CALLS);
  const now = { queued: 1, starting: 2, running: 3, waiting: 4 };
  expect(watch.calls).toEqual({ now, ended: { done: 5, failed: 6, "pushed-back": 7 }, letStay: 8 });
});

test("the last answer holds while Redis answers nothing", async () => {
  const before = await storageAfter(250);
  module = null;
  nowMs += 250;
  watch.keepFresh();
  await redis.call("LOCUS.INFO").catch(() => {});
  expect(watch.storage).toBe(before);
});
