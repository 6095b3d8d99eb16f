// What the controller has to know beside the calls: whether storage is open, what machine Redis is on, and what plain clients leave
// of its one thread. Asked of Redis once a second while there are calls, and not at all while there are none.

import type { Redis } from "ioredis";

import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import type { ConstantsSource, CostConstants } from "#runtime/placement/cost-model.ts";
import { infoOf } from "../node/redis-info.ts";
import { busyUsOf } from "./calibrate.ts";
import { cpusOf } from "./machine.ts";
import type { Surroundings } from "./placement-loop.ts";

const EVERY_MS = 1_000;
/** Whatever plain clients do, so much of the thread is reckoned with: a plan has to put functions somewhere. */
const REDIS_THREAD_MIN = 0.1;
/** Of one measurement, against the one before: a second is short. */
const WEIGHT = 0.5;

interface WatchOptions {
  readonly redis: Redis;
  /** Of Redis' one thread, what the functions take by the model. */
  readonly modelledShare: () => number;
  /** Something that matters is not as it was. */
  readonly onChange: () => void;
  readonly nowMs: () => number;
}

/** CPU time of Redis' one thread, and time that another held its lock for functions. */
interface ThreadTime {
  readonly atMs: number;
  readonly busyMs: number;
}

export class RedisWatch {
  readonly #options: WatchOptions;
  #storage: Surroundings["storage"] = { machine: null, isolatesMax: Infinity, isOpen: true, redisThread: 1 };
  #constants: CostConstants = DEFAULT_CONSTANTS;
  #constantsFrom: ConstantsSource = "usual";
  #last: ThreadTime | null = null;
  #askedMs = -Infinity;
  #isAsking = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  get surroundings(): Surroundings {
    return { constants: this.#constants, storage: this.#storage };
  }

  get constantsFrom(): ConstantsSource {
    return this.#constantsFrom;
  }

  calibrated(constants: CostConstants, from: ConstantsSource): void {
    this.#constants = constants;
    this.#constantsFrom = from;
    this.#options.onChange();
  }

  /** There are calls: asks where the last answer is old. */
  keepFresh(): void {
    const { nowMs } = this.#options;
    if (this.#isAsking || nowMs() - this.#askedMs < EVERY_MS) return;
    this.#isAsking = true;
    this.#askedMs = nowMs();
    // While Redis is out of reach nothing is known, and calls fail anyway.
    this.#ask()
      .catch(() => {})
      .finally(() => (this.#isAsking = false));
  }

  async #ask(): Promise<void> {
    const { redis, nowMs, onChange } = this.#options;
    const [module, server] = await Promise.all([redis.call("LOCUS.INFO"), redis.info("cpu")]);
    const [ours, cpu] = [infoOf(String(module)), infoOf(server)];
    const now = { atMs: nowMs(), busyMs: busyUsOf(cpu, ours) / 1e3 };
    const cpus = cpusOf(ours.get("cpus") ?? "");
    const machine = { id: ours.get("machine") ?? "", cpus, cores: countOf(ours, "cores", cpus.length) };
    const before = this.#storage;
    this.#storage = {
      machine: cpus.length === 0 ? null : machine,
      isolatesMax: countOf(ours, "isolates_max", Infinity),
      isOpen: (ours.get("hosts_obstacle") ?? "") === "",
      redisThread: this.#threadLeft(now, before.redisThread),
    };
    this.#last = now;
    if (before.isOpen !== this.#storage.isOpen || isOther(before.machine, this.#storage.machine)) onChange();
  }

  #threadLeft(now: ThreadTime, before: number): number {
    if (this.#last === null || now.atMs <= this.#last.atMs) return before;
    const busy = (now.busyMs - this.#last.busyMs) / (now.atMs - this.#last.atMs);
    const others = Math.max(0, busy - this.#options.modelledShare());
    return Math.max(REDIS_THREAD_MIN, (1 - WEIGHT) * before + WEIGHT * (1 - Math.min(1, others)));
  }
}

/** From 1 to `max`. What a module does not tell, since it is older, or what cannot be, is the most that can be. */
function countOf(told: ReadonlyMap<string, string>, name: string, max: number): number {
  const count = Number(told.get(name));
  return Number.isInteger(count) && count >= 1 ? Math.min(count, max) : max;
}

const isOther = (one: Surroundings["storage"]["machine"], other: typeof one): boolean =>
  one?.id !== other?.id || one?.cores !== other?.cores;
