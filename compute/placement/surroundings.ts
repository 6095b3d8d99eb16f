// What the controller needs to know besides the calls: whether storage runs functions, the machine of Redis, and the
// cores that sandbox hosts get there. Asked of Redis four times a second while there are calls or somebody reads
// the metrics. The clocks of Redis go to the corrections once a second.

import type { Redis } from "ioredis";

import type { ConstantsSource, CostConstants } from "#runtime/placement/cost-model.ts";
import type { RedisClocks } from "#runtime/placement/corrections.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { HostCores, readCoreTimes } from "./host-cores.ts";
import { cpusOf } from "./machine.ts";
import type { Surroundings } from "./placement-loop.ts";
import { CLOCK_SECTIONS, readRedisInfo, redisClocksIn, type Info } from "./redis-clocks.ts";

/** Others who take cores beside Redis are noticed within two of these. */
const EVERY_MS = 250;
/** Nodes report calls some tens of milliseconds after Redis' clocks have counted them. */
const CLOCKS_EVERY_MS = 1_000;

/** Calls in the hosts beside Redis, by state here: its name in LOCUS.INFO. */
const NOW = { queued: "calls_queued", starting: "calls_starting", running: "calls_running", waiting: "calls_waiting" };
const ENDED = { done: "calls_done", failed: "calls_failed", "pushed-back": "calls_pushed_back" };

/** What the module counts of all calls, whether they came to a node or to Redis. */
export interface StorageCalls {
  readonly now: Readonly<Record<keyof typeof NOW, number>>;
  /** Since the module was loaded. */
  readonly ended: Readonly<Record<keyof typeof ENDED, number>>;
  /** Calls that stayed though dearer than what is pushed back: push-backs had wasted enough. */
  readonly letStay: number;
}

interface WatchOptions {
  readonly redis: Redis;
  readonly onClocks: (clocks: RedisClocks) => void;
  /** Something has changed that matters to the plan. */
  readonly onChange: () => void;
  readonly nowMs: () => number;
}

export class RedisWatch {
  readonly #options: WatchOptions;
  readonly #hostCores = new HostCores();
  #storage: Surroundings["storage"] = {
    machine: null,
    isolatesMax: Infinity,
    isOpen: true,
    findsReads: true,
    hostCores: Infinity,
  };
  #constants: CostConstants = DEFAULT_CONSTANTS;
  #constantsFrom: ConstantsSource = "usual";
  #calls: StorageCalls | null = null;
  #askedMs = -Infinity;
  #clocksMs = -Infinity;
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

  /** null: not asked yet, or the module does not count them. */
  get calls(): StorageCalls | null {
    return this.#calls;
  }

  calibrated(constants: CostConstants, from: ConstantsSource): void {
    this.#constants = constants;
    this.#constantsFrom = from;
    this.#options.onChange();
  }

  /** This node controls from now on, and what it read earlier may be old. */
  forgetCalls(): void {
    this.#calls = null;
  }

  /** There are calls, or somebody looks. Asks if the last answer is old. */
  keepFresh(): void {
    const { nowMs } = this.#options;
    if (this.#isAsking || nowMs() - this.#askedMs < EVERY_MS) return;
    this.#isAsking = true;
    this.#askedMs = nowMs();
    // While Redis is out of reach calls fail anyway.
    this.#ask()
      .catch(() => {})
      .finally(() => (this.#isAsking = false));
  }

  async #ask(): Promise<void> {
    const { redis, nowMs, onClocks, onChange } = this.#options;
    const readsClocks = nowMs() - this.#clocksMs >= CLOCKS_EVERY_MS;
    const info = await readRedisInfo(redis, ...(readsClocks ? CLOCK_SECTIONS : []));
    if (readsClocks) {
      this.#clocksMs = nowMs();
      onClocks({ atMs: this.#clocksMs, ...redisClocksIn(info) });
    }
    this.#hostCores.update(readCoreTimes(info.get("core_times")));
    const cpus = cpusOf(info.get("cpus") ?? "");
    const machine = { id: info.get("machine") ?? "", cpus, cores: countOf(info, "cores", cpus.length) };
    const before = this.#storage;
    this.#storage = {
      machine: cpus.length === 0 ? null : machine,
      isolatesMax: countOf(info, "isolates_max", Infinity),
      isOpen: (info.get("hosts_obstacle") ?? "") === "",
      // It is not in use until a function reads.
      findsReads: info.get("read_cache_in_use") === "yes" || info.get("operations") === "0",
      hostCores: this.#hostCores.cores,
    };
    this.#calls = storageCallsIn(info);
    const { isOpen, machine: now } = this.#storage;
    if (before.isOpen !== isOpen || before.machine?.id !== now?.id || before.machine?.cores !== now?.cores) onChange();
  }
}

/** 1 to `max`; `max` if the module is older and does not say. */
function countOf(info: Info, name: string, max: number): number {
  const count = Number(info.get(name));
  return Number.isInteger(count) && count >= 1 ? Math.min(count, max) : max;
}

function storageCallsIn(info: Info): StorageCalls | null {
  const counts = <State extends string>(names: Readonly<Record<State, string>>): Readonly<Record<State, number>> =>
    Object.fromEntries(Object.entries<string>(names).map(([state, name]) => [state, Number(info.get(name))])) as Record<
      State,
      number
    >;
  const calls = { now: counts(NOW), ended: counts(ENDED), letStay: Number(info.get("calls_let_stay")) };
  const all = [...Object.values(calls.now), ...Object.values(calls.ended), calls.letStay];
  return all.every((count) => Number.isSafeInteger(count) && count >= 0) ? calls : null;
}
