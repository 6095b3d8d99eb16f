// Of the cores beside Redis, those that its sandbox hosts get. Others may compute there as well, whom hosts give way to: then calls have
// fewer cores than the machine has, though each takes as much CPU time as before. How many others would leave nobody can tell: that depends on
// priorities, on control groups, on how many they are. But when hosts have calls waiting for a core all the time, what they work is all that they get.

import { clamp } from "#runtime/clamp.ts";

/** What has become of the cores' time, as the module tells of one moment. All but the clock are sums, µs. */
export interface CoreTimes {
  /** Of Redis' machine, monotonic. */
  readonly clockUs: number;
  /** Cores that hosts may run on. */
  readonly cpus: number;
  readonly idleUs: number;
  /** Of the kernel, for nobody. */
  readonly interruptsUs: number;
  /** CPU time of Redis, and of the hosts. */
  readonly redisUs: number;
  readonly hostsUs: number;
  /** That threads of hosts were ready to run and had no core. */
  readonly hostsWaitedUs: number;
}

/** Stretches of less time tell nothing: the kernel counts idle cores by 10 ms. */
const STRETCH_MIN_US = 100_000;
/** Of the cores, the part that others have at least where they take any from hosts, and that is idle at most where hosts lack some. Chosen: what is known of a stretch of 250 ms is off by 0.06 of a core. */
const [TAKEN_MIN, IDLE_MAX] = [0.25, 0.1] as const;
/** Threads of hosts that run or wait for a core, on the mean, and how many wait for each that runs, at least where hosts could do with more cores than they get. Chosen: one isolate makes all calls of a function wait, so of one that gets a tenth of a core no more than one waits; and cores full of these calls alone had up to 1.5 wait. */
const [WANTED_MIN, WAITING_TIMES] = [0.5, 2] as const;
/** Of what hosts get now that they have more than they had, against what they had. Chosen: calls that come back find it out. */
const WEIGHT = 0.5;
/** While others have cores and hosts do not wait, what hosts may have is twice as much after this time. Chosen: others may leave more by and by. */
const REGAIN_US = 10_000_000;
/** Who takes cores anew so soon after having left them may do so again: hosts do not come back before they were left for as long as this, twice as long each time up to so much. Chosen. */
const [AGAIN_US, AWAY_MIN_US, AWAY_MAX_US] = [1_500_000, 500_000, 2_000_000] as const;

export class HostCores {
  #last: CoreTimes | null = null;
  #cores = Infinity;
  /** When hosts last lacked cores that others had, or others still had these; and for how long others have to be away before that is believed. */
  #takenUs = -Infinity;
  #awayUs = 0;

  /** Infinity: as many as they want, as far as is known. */
  get cores(): number {
    return this.#cores;
  }

  /** null: nobody tells. */
  tell(told: CoreTimes | null): void {
    const last = this.#last;
    if (last !== null && told !== null && isWithin(told.clockUs - last.clockUs, 0, STRETCH_MIN_US)) return;
    this.#last = told;
    const stretch = told === null || last === null ? null : stretchOf(last, told);
    if (stretch === null) this.#forget();
    else this.#learn(stretch, told!.clockUs);
  }

  #forget(): void {
    this.#cores = Infinity;
    this.#takenUs = -Infinity;
    this.#awayUs = 0;
  }

  #learn(stretch: Stretch, nowUs: number): void {
    const { cpus, us, idle, others, hosts } = stretch;
    if (others < TAKEN_MIN * cpus) {
      if (nowUs - this.#takenUs > this.#awayUs) this.#cores = Infinity;
    } else if (lacksCores(stretch)) {
      if (this.#cores === Infinity) this.#awayUs = this.#awayAfter(nowUs);
      this.#cores = hosts < this.#cores ? hosts : this.#cores + WEIGHT * (hosts - this.#cores);
      this.#takenUs = nowUs;
    } else if (this.#cores < Infinity) {
      // What was idle they could have had.
      this.#cores = Math.min(cpus, Math.max(hosts + idle, this.#cores * 2 ** (us / REGAIN_US)));
      this.#takenUs = nowUs;
    }
  }

  #awayAfter(nowUs: number): number {
    return nowUs - this.#takenUs > AGAIN_US + this.#awayUs ? 0 : clamp(2 * this.#awayUs, AWAY_MIN_US, AWAY_MAX_US);
  }
}

/** Whether hosts could do with more cores than they get. */
const lacksCores = ({ cpus, idle, hosts, waiting }: Stretch): boolean =>
  idle <= IDLE_MAX * cpus && hosts + waiting >= WANTED_MIN && waiting >= WAITING_TIMES * hosts;

/** What was between two moments, in cores. */
interface Stretch {
  readonly cpus: number;
  readonly us: number;
  readonly idle: number;
  /** Those that neither Redis nor hosts had. */
  readonly others: number;
  readonly hosts: number;
  /** Threads of hosts, on the mean. */
  readonly waiting: number;
}

/** null: that cannot have been, as where Redis has begun anew, or is on another machine. */
function stretchOf(before: CoreTimes, after: CoreTimes): Stretch | null {
  const us = after.clockUs - before.clockUs;
  const { cpus } = after;
  const passed = (name: keyof CoreTimes): number => (after[name] - before[name]) / us;
  // The kernel may count a tick of idle time less than before, and threads that have ended take what they have waited with them.
  const [idle, waiting] = [Math.max(0, passed("idleUs")), Math.max(0, passed("hostsWaitedUs"))];
  const [interrupts, redis, hosts] = [passed("interruptsUs"), passed("redisUs"), passed("hostsUs")];
  const parts = [idle, interrupts, redis, hosts];
  if (us <= 0 || cpus !== before.cpus || !parts.every((part) => isWithin(part, 0, 2 * cpus))) return null;
  return { cpus, us, idle, others: cpus - idle - interrupts - redis - hosts, hosts, waiting };
}

const isWithin = (value: number, least: number, most: number): boolean => value >= least && value <= most;

/** Of a line of LOCUS.INFO, `name=value,…`; null: it is none, or not all of it. */
export function readCoreTimes(line: string | undefined): CoreTimes | null {
  const told = new Map((line ?? "").split(",").map((one) => [one.split("=")[0], one.split("=")[1]]));
  const numberOf = (name: string): number => Number(told.get(name) ?? Number.NaN);
  const times: CoreTimes = {
    clockUs: numberOf("clock_us"),
    cpus: numberOf("cpus"),
    idleUs: numberOf("idle_us"),
    interruptsUs: numberOf("interrupts_us"),
    redisUs: numberOf("redis_us"),
    hostsUs: numberOf("hosts_us"),
    hostsWaitedUs: numberOf("hosts_waited_us"),
  };
  return Object.values(times).every((value) => isWithin(value, 0, Number.MAX_VALUE)) && times.cpus > 0 ? times : null;
}
