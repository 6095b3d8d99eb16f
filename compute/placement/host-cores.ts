// Cores that the sandbox hosts beside Redis get. Other processes may compute there as well, and hosts give way to
// them: calls then have fewer cores than the machine has, though each takes as much CPU time as before. Nobody
// can tell how many cores the others would leave. But while calls wait for a core all the time, the cores that
// hosts work on are all that they get.

/** Times of the cores of Redis' machine until one moment. All but `cpus` are sums, µs. */
export interface CoreTimes {
  readonly clockUs: number;
  /** Cores that hosts may run on. */
  readonly cpus: number;
  readonly idleUs: number;
  readonly interruptsUs: number;
  /** CPU time of Redis, and of the hosts. */
  readonly redisUs: number;
  readonly hostsUs: number;
  /** Threads of hosts were ready and had no core. */
  readonly hostsWaitedUs: number;
}

/** The kernel counts idle time by 10 ms, so that a shorter interval says little. */
const INTERVAL_MIN_US = 100_000;
/** Others take cores from hosts if they have this part of all cores, and at most IDLE_MAX of all is idle. */
const OTHERS_MIN = 0.25;
const IDLE_MAX = 0.1;
/** Threads of hosts that wait, for each that runs. Cores full of these calls alone reach 1.5. */
const WAITING_MIN = 2;

export class HostCores {
  #last: CoreTimes | null = null;
  #cores = Infinity;

  /** Infinity: as many as they want. */
  get cores(): number {
    return this.#cores;
  }

  /** null: the module does not say. */
  update(times: CoreTimes | null): void {
    const last = this.#last;
    const passedUs = times === null || last === null ? 0 : times.clockUs - last.clockUs;
    if (passedUs > 0 && passedUs < INTERVAL_MIN_US) return;
    this.#last = times;
    const used = times === null || last === null ? null : usedBetween(last, times);
    this.#cores = used === null ? Infinity : coresAfter(this.#cores, used);
  }
}

function coresAfter(before: number, { cpus, idle, others, hosts, waiting }: Used): number {
  if (others < OTHERS_MIN * cpus) return Infinity;
  const isWaiting = waiting >= Math.max(1, WAITING_MIN * hosts);
  if (isWaiting && idle <= IDLE_MAX * cpus) return before < hosts ? (before + hosts) / 2 : hosts;
  // Calls may have left because hosts lacked cores. Hosts could have used the idle ones.
  return before === Infinity ? Infinity : Math.min(cpus, Math.max(before, hosts + idle));
}

/** Between two moments, in cores; `waiting` in threads. */
interface Used {
  readonly cpus: number;
  readonly idle: number;
  readonly others: number;
  readonly hosts: number;
  readonly waiting: number;
}

/** null: impossible, as when Redis was restarted or is on another machine. */
function usedBetween(before: CoreTimes, after: CoreTimes): Used | null {
  const { cpus } = after;
  const passedUs = after.clockUs - before.clockUs;
  const per = (name: keyof CoreTimes): number => (after[name] - before[name]) / passedUs;
  // The kernel may take back a tick of idle time, and threads that end take their waiting along.
  const [idle, waiting] = [Math.max(0, per("idleUs")), Math.max(0, per("hostsWaitedUs"))];
  const parts = [idle, per("interruptsUs"), per("redisUs"), per("hostsUs")];
  const isPossible = parts.every((part) => part >= 0 && part <= 2 * cpus);
  if (!(passedUs > 0) || cpus !== before.cpus || !isPossible) return null;
  return { cpus, idle, others: cpus - parts.reduce((sum, part) => sum + part, 0), hosts: per("hostsUs"), waiting };
}

/** Of the line `core_times` in LOCUS.INFO, `name=value,…`; null: incomplete. */
export function readCoreTimes(line = ""): CoreTimes | null {
  const values = new Map(line.split(",").map((one) => [one.split("=")[0], Number(one.split("=")[1])]));
  const numberOf = (name: string): number => values.get(name) ?? Number.NaN;
  const times: CoreTimes = {
    clockUs: numberOf("clock_us"),
    cpus: numberOf("cpus"),
    idleUs: numberOf("idle_us"),
    interruptsUs: numberOf("interrupts_us"),
    redisUs: numberOf("redis_us"),
    hostsUs: numberOf("hosts_us"),
    hostsWaitedUs: numberOf("hosts_waited_us"),
  };
  return times.cpus > 0 && Object.values(times).every((value) => value >= 0 && value < Infinity) ? times : null;
}
