// What the controller needs to know of Redis: whether functions run beside it, its machine, and how
// much it has worked. Redis is asked while there are
// calls or somebody reads the metrics.

import type { Redis } from "ioredis";

import type { RedisClocks } from "#runtime/placement/corrections.ts";
import { infoOf } from "../node/redis-info.ts";
import type { Storage } from "./capacity.ts";
import { cpusOf } from "./machine.ts";

/** Time between questions. Not sensitive. */
const EVERY_MS = 250;

type Info = ReadonlyMap<string, string>;

/** Calls in the hosts beside Redis, by state and by end: the names in LOCUS.INFO. */
const NOW = { queued: "calls_queued", starting: "calls_starting", running: "calls_running", waiting: "calls_waiting" };
const ENDED = { done: "calls_done", failed: "calls_failed", "pushed-back": "calls_pushed_back" };

/** Calls that the module counts, whether they came to a node or to Redis. */
export interface StorageCalls {
  readonly now: Readonly<Record<string, number>>;
  /** Since the module was loaded. */
  readonly ended: Readonly<Record<string, number>>;
  /** Calls that stayed although they exceeded the limit: push-backs had wasted enough. */
  readonly letStay: number;
}

interface WatchOptions {
  readonly redis: Redis;
  readonly onClocks: (clocks: RedisClocks) => void;
  /** The machine has changed, or whether functions run there. */
  readonly onChange: () => void;
  readonly nowMs: () => number;
}

export class RedisWatch {
  readonly #options: WatchOptions;
  #storage: Storage = { machine: null, isolatesMax: Infinity, isOpen: true, findsReads: true };
  #calls: StorageCalls | null = null;
  #askedMs = -Infinity;
  #clocksMs = -Infinity;
  #isAsking = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  get storage(): Storage {
    return this.#storage;
  }

  /** null: Redis has not answered yet. */
  get calls(): StorageCalls | null {
    return this.#calls;
  }

  /** Asks if the last answer is old. */
  keepFresh(): void {
    const { nowMs } = this.#options;
    if (this.#isAsking || nowMs() - this.#askedMs < EVERY_MS) return;
    this.#isAsking = true;
    this.#askedMs = nowMs();
    // The last answer holds while Redis is out of reach: calls fail anyway.
    this.#ask()
      .catch(() => {})
      .finally(() => (this.#isAsking = false));
  }

  async #ask(): Promise<void> {
    const { redis, nowMs, onClocks, onChange } = this.#options;
    // Nodes report calls some tens of milliseconds after Redis has counted them, so clocks need
    // longer intervals.
    const readsClocks = nowMs() - this.#clocksMs >= 4 * EVERY_MS;
    const info = await readRedisInfo(redis, ...(readsClocks ? ["cpu", "stats", "commandstats"] : []));
    if (readsClocks) {
      this.#clocksMs = nowMs();
      onClocks({ atMs: this.#clocksMs, ...redisClocksIn(info) });
    }
    const cpus = cpusOf(info.get("cpus") ?? "");
    const machine = { id: info.get("machine") ?? "", cpus, cores: countOf(info, "cores", cpus.length) };
    const before = this.#storage;
    this.#storage = {
      machine: cpus.length === 0 ? null : machine,
      isolatesMax: countOf(info, "isolates_max", Infinity),
      isOpen: (info.get("hosts_obstacle") ?? "") === "",
      // The cache is not in use until a function reads.
      findsReads: info.get("read_cache_in_use") === "yes" || info.get("operations") === "0",
    };
    this.#calls = {
      now: countsOf(info, NOW),
      ended: countsOf(info, ENDED),
      letStay: Number(info.get("calls_let_stay")),
    };
    const { isOpen, machine: now } = this.#storage;
    if (before.isOpen !== isOpen || before.machine?.id !== now?.id || before.machine?.cores !== now?.cores) onChange();
  }
}

/** INFO and LOCUS.INFO in one map; no name is in both. */
export async function readRedisInfo(redis: Redis, ...sections: readonly string[]): Promise<Info> {
  const [module, server] = await Promise.all([
    redis.call("LOCUS.INFO"),
    sections.length > 0 ? redis.call("info", ...sections) : "",
  ]);
  return new Map([...infoOf(String(server)), ...infoOf(String(module))]);
}

/** Commands that run other commands, which are counted themselves. */
const RUNS_OTHERS = /^cmdstat_(?:locus\.|exec$|eval|fcall)/;

/** Work of Redis and of the hosts beside it since Redis started. */
export function redisClocksIn(info: Info): Omit<RedisClocks, "atMs"> {
  const numberOf = (name: string): number => Number(info.get(name) ?? 0);
  const mainThreadUs = 1e6 * (numberOf("used_cpu_user_main_thread") + numberOf("used_cpu_sys_main_thread"));
  const allThreadsUs = 1e6 * (numberOf("used_cpu_user") + numberOf("used_cpu_sys"));
  // Another thread held Redis' lock, so Redis' own thread could not work.
  const lentUs = numberOf("lock_us") - numberOf("lock_us_of_main_thread");
  let commandsUs = 0;
  for (const [name, text] of info) {
    if (name.startsWith("cmdstat_") && !RUNS_OTHERS.test(name)) commandsUs += Number(/usec=(\d+)/.exec(text)?.[1] ?? 0);
  }
  return {
    redisUs: mainThreadUs + lentUs,
    hostsUs: numberOf("hosts_cpu_us") + allThreadsUs - mainThreadUs - lentUs,
    commands: numberOf("total_commands_processed") - numberOf("operations_as_commands"),
    commandsUs,
  };
}

/** 1 to `max`; `max` if the text is not such a count. */
function countOf(info: Info, name: string, max: number): number {
  const count = Number(info.get(name));
  return Number.isInteger(count) && count >= 1 ? Math.min(count, max) : max;
}

const countsOf = (info: Info, names: Readonly<Record<string, string>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(names).map(([state, name]) => [state, Number(info.get(name) ?? 0)]));
