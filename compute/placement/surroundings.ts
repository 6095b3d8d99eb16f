// What the controller has to know beside the calls: whether storage is open, what machine Redis is on, how many of its cores sandbox hosts get, and what plain clients leave
// of its one thread; and what the module counts of all calls, which the controller has in its metrics. Asked of Redis four times a second while there are calls, and while there are none
// by who reads the metrics.

import type { Redis } from "ioredis";

import { clamp } from "#runtime/clamp.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import type { ConstantsSource, CostConstants } from "#runtime/placement/cost-model.ts";
import {
  AS_CALIBRATED,
  redisWorkUs,
  callsWorkAfter,
  type MeasuredWork,
  type ReckonedWork,
} from "#runtime/placement/calls-work.ts";
import { infoOf } from "../node/redis-info.ts";
import { besideRedisUsOf, busyUsOf, commandsOf, commandsUsOf } from "./calibrate.ts";
import { HostCores, readCoreTimes } from "./host-cores.ts";
import { cpusOf } from "./machine.ts";
import type { Surroundings } from "./placement-loop.ts";

/** Chosen: whoever comes to compute beside Redis is known of within half a second. */
const EVERY_MS = 250;
/** What is worked for calls is held against the calls of so long: nodes tell of these some tens of milliseconds later. */
const LEARN_MS = 1_000;
/** Whatever plain clients do, so much of the thread is reckoned with: a plan has to put functions somewhere. */
const REDIS_THREAD_MIN = 0.1;
/** Of one measurement, against the one before: a second is short. */
const WEIGHT = 0.5;

/** Of the calls in the hosts beside Redis, by the names of LOCUS.INFO and those that nodes have for their own. */
const NOW = { queued: "calls_queued", starting: "calls_starting", running: "calls_running", waiting: "calls_waiting" };
const ENDED = { done: "calls_done", failed: "calls_failed", "pushed-back": "calls_pushed_back" };

/** What the module counts of all calls, whether they came to a node or to it. */
export interface StorageCalls {
  /** In its hosts. */
  readonly now: Readonly<Record<keyof typeof NOW, number>>;
  /** Since it was loaded. */
  readonly ended: Readonly<Record<keyof typeof ENDED, number>>;
  /** Those that came to it and were let stay, since push-backs had wasted enough. */
  readonly letStay: number;
}

interface WatchOptions {
  readonly redis: Redis;
  /** What calls have come to since this was asked last; null: nobody counts here. */
  readonly reckoned: () => ReckonedWork | null;
  /** Something that matters is not as it was. */
  readonly onChange: () => void;
  readonly nowMs: () => number;
}

/** What had been worked at some time, by anybody. */
interface Clocks extends MeasuredWork {
  readonly atMs: number;
}

export class RedisWatch {
  readonly #options: WatchOptions;
  #storage: Surroundings["storage"] = {
    machine: null,
    isolatesMax: Infinity,
    isOpen: true,
    findsReads: true,
    redisThread: 1,
    hostCores: Infinity,
  };
  readonly #hostCores = new HostCores();
  #callsWork = AS_CALIBRATED;
  #constants: CostConstants = DEFAULT_CONSTANTS;
  #constantsFrom: ConstantsSource = "usual";
  #last: Clocks | null = null;
  #calls: StorageCalls | null = null;
  #askedMs = -Infinity;
  #isAsking = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  get surroundings(): Surroundings {
    return { constants: this.#constants, storage: this.#storage, callsWork: this.#callsWork };
  }

  get constantsFrom(): ConstantsSource {
    return this.#constantsFrom;
  }

  /** As it was told last; null: it was not yet, or by a module that does not tell. */
  get calls(): StorageCalls | null {
    return this.#calls;
  }

  calibrated(constants: CostConstants, from: ConstantsSource): void {
    this.#constants = constants;
    this.#constantsFrom = from;
    this.beginAnew();
    this.#options.onChange();
  }

  /** What has been worked until now is not held against what calls come to from now on. */
  beginAnew(): void {
    this.#callsWork = AS_CALIBRATED;
    this.#last = null;
    this.#calls = null;
  }

  /** There are calls, or somebody looks: asks where the last answer is old. */
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
    const learns = nowMs() - (this.#last?.atMs ?? -Infinity) >= LEARN_MS;
    const [module, server] = await Promise.all([
      redis.call("LOCUS.INFO"),
      learns ? redis.call("info", "cpu", "stats", "commandstats").then(String) : null,
    ]);
    const ours = infoOf(String(module));
    this.#hostCores.tell(readCoreTimes(ours.get("core_times")));
    const cpus = cpusOf(ours.get("cpus") ?? "");
    const machine = { id: ours.get("machine") ?? "", cpus, cores: countOf(ours, "cores", cpus.length) };
    const before = this.#storage;
    this.#storage = {
      machine: cpus.length === 0 ? null : machine,
      isolatesMax: countOf(ours, "isolates_max", Infinity),
      isOpen: (ours.get("hosts_obstacle") ?? "") === "",
      // It is not in use before somebody has read.
      findsReads: ours.get("read_cache_in_use") === "yes" || ours.get("operations") === "0",
      redisThread: server === null ? this.#storage.redisThread : this.#learn(ours, infoOf(server)),
      hostCores: this.#hostCores.cores,
    };
    this.#calls = storageCallsIn(ours);
    if (before.isOpen !== this.#storage.isOpen || isOther(before.machine, this.#storage.machine)) onChange();
  }

  /** What was worked for calls; what plain clients leave of the thread. Both as they were, where nothing can be held against anything. */
  #learn(ours: Told, theirs: Told): number {
    const { redisThread } = this.#storage;
    const now = {
      atMs: this.#options.nowMs(),
      redisUs: busyUsOf(theirs, ours),
      besideUs: besideRedisUsOf(theirs, ours),
      commands: commandsOf(theirs, ours),
      commandsUs: commandsUsOf(theirs),
    };
    const [last, reckoned] = [this.#last, this.#options.reckoned()];
    this.#last = now;
    const passedMs = now.atMs - (last?.atMs ?? now.atMs);
    if (last === null || reckoned === null || passedMs <= 0) return redisThread;
    const measured = {
      redisUs: now.redisUs - last.redisUs,
      besideUs: now.besideUs - last.besideUs,
      commands: now.commands - last.commands,
      commandsUs: now.commandsUs - last.commandsUs,
    };
    this.#callsWork = callsWorkAfter(this.#callsWork, reckoned, measured, passedMs);
    const leftBy = (workedUs: number): number => 1 - clamp((measured.redisUs - workedUs) / (1e3 * passedMs), 0, 1);
    const [least, most] = redisWorkUs(reckoned, this.#callsWork);
    const left = (1 - WEIGHT) * redisThread + WEIGHT * clamp(redisThread, leftBy(least), leftBy(most));
    return Math.max(REDIS_THREAD_MIN, left);
  }
}

type Told = ReadonlyMap<string, string>;

/** From 1 to `max`. What a module does not tell, since it is older, or what cannot be, is the most that can be. */
function countOf(told: Told, name: string, max: number): number {
  const count = Number(told.get(name));
  return Number.isInteger(count) && count >= 1 ? Math.min(count, max) : max;
}

function storageCallsIn(told: Told): StorageCalls | null {
  const counts = <Name extends string>(names: Readonly<Record<Name, string>>): Readonly<Record<Name, number>> =>
    Object.fromEntries(Object.entries<string>(names).map(([state, name]) => [state, Number(told.get(name))])) as Record<
      Name,
      number
    >;
  const calls = { now: counts(NOW), ended: counts(ENDED), letStay: Number(told.get("calls_let_stay")) };
  const all = [...Object.values(calls.now), ...Object.values(calls.ended), calls.letStay];
  return all.every((count) => Number.isSafeInteger(count) && count >= 0) ? calls : null;
}

const isOther = (one: Surroundings["storage"]["machine"], other: typeof one): boolean =>
  one?.id !== other?.id || one?.cores !== other?.cores;
