// What the controller has to know beside the calls: whether storage is open, what machine Redis is on, what others compute on its cores, and what plain clients leave
// of its one thread; and what the module counts of all calls, which the controller has in its metrics. Asked of Redis four times a second while there are calls, and while there are none
// by who reads the metrics.

import type { Redis } from "ioredis";

import { clamp } from "#runtime/clamp.ts";
import { decayOf } from "#runtime/decay.ts";
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
import { cpusOf } from "./machine.ts";
import type { Surroundings } from "./placement-loop.ts";

/** Chosen: whoever comes to compute beside Redis is known of within half a second. Both answers take Redis 0.15 ms of its thread (EPYC). */
const EVERY_MS = 250;
/** What is worked for calls is held against the calls of so long: nodes tell of these some tens of milliseconds later. */
const LEARN_MS = 1_000;
/** Whatever plain clients do, so much of the thread is reckoned with: a plan has to put functions somewhere. */
const REDIS_THREAD_MIN = 0.1;
/** Of one measurement, against the one before: a second is short. */
const WEIGHT = 0.5;
/** What others were seen to compute counts half after so long. */
const OTHERS_HALF_LIFE_MS = 250;
/** As many times its cores others cannot compute on, but for clocks that are read a moment apart. */
const OTHERS_MAX = 2;
/** Less than this is none, and what is off by more than that has changed; in cores, of one. Of several by the root of their number: the kernel counts whoever has a core when its clock ticks, which of a core that is in use for a third of the time tells a quarter of a second to within 0.1. Chosen. */
const [OTHERS_MIN, OTHERS_STEP] = [0.1, 0.25] as const;

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
    othersCores: 0,
  };
  #others = { atMs: Number.NaN, us: Number.NaN, cores: 0 };
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
    const { redis, onChange } = this.#options;
    const [module, server] = await Promise.all([
      redis.call("LOCUS.INFO"),
      redis.call("info", "cpu", "stats", "commandstats"),
    ]);
    const [ours, theirs] = [infoOf(String(module)), infoOf(String(server))];
    const cpus = cpusOf(ours.get("cpus") ?? "");
    const machine = { id: ours.get("machine") ?? "", cpus, cores: countOf(ours, "cores", cpus.length) };
    const before = this.#storage;
    this.#storage = {
      machine: cpus.length === 0 ? null : machine,
      isolatesMax: countOf(ours, "isolates_max", Infinity),
      isOpen: (ours.get("hosts_obstacle") ?? "") === "",
      // It is not in use before somebody has read.
      findsReads: ours.get("read_cache_in_use") === "yes" || ours.get("operations") === "0",
      redisThread: this.#learn(ours, theirs),
      othersCores: this.#othersAfter(ours, cpus.length),
    };
    this.#calls = storageCallsIn(ours);
    if (before.isOpen !== this.#storage.isOpen || isOther(before.machine, this.#storage.machine)) onChange();
  }

  /** What was worked for calls; what plain clients leave of the thread. Both as they were, where nothing can be held against anything. */
  #learn(ours: Told, theirs: Told): number {
    const { redisThread } = this.#storage;
    const now = clocksIn(ours, theirs, this.#options.nowMs());
    const [last, passedMs] = [this.#last, now.atMs - (this.#last?.atMs ?? now.atMs)];
    if (last !== null && passedMs < LEARN_MS) return redisThread;
    const reckoned = this.#options.reckoned();
    this.#last = now;
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

  /** Of its `cpus` cores, those that others compute on; 0 where nobody tells. As it was where what is told cannot be, as where Redis has begun anew. */
  #othersAfter(ours: Told, cpus: number): number {
    const { atMs: lastMs, us: lastUs, cores: before } = this.#others;
    const [atMs, told] = [this.#options.nowMs(), ours.get("others_cpu_us") ?? ""];
    const us = told === "" ? Number.NaN : Number(told);
    const passedMs = atMs - lastMs;
    const now = (us - lastUs) / (1e3 * passedMs);
    const [kept, noise] = [decayOf(passedMs, OTHERS_HALF_LIFE_MS), Math.sqrt(cpus)];
    const isStep = Math.abs(now - before) > OTHERS_STEP * noise;
    const isKnown = passedMs > 0 && Math.abs(now) <= OTHERS_MAX * cpus;
    const cores = isKnown ? clamp(isStep ? now : kept * before + (1 - kept) * now, 0, cpus) : before;
    this.#others = { atMs, us, cores: Number.isNaN(us) ? 0 : cores };
    return this.#others.cores < OTHERS_MIN * noise ? 0 : this.#others.cores;
  }
}

type Told = ReadonlyMap<string, string>;

const clocksIn = (ours: Told, theirs: Told, atMs: number): Clocks => ({
  atMs,
  redisUs: busyUsOf(theirs, ours),
  besideUs: besideRedisUsOf(theirs, ours),
  commands: commandsOf(theirs, ours),
  commandsUs: commandsUsOf(theirs),
});

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
