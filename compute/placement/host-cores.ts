// Cores that the sandbox hosts beside Redis get while other processes compute there. Hosts give way
// to them, and nobody knows how many cores the others would leave. But while calls wait for a core
// all the time, the cores that hosts work on are all that they get.

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

/** Others limit hosts if they use this part of all cores, and at most IDLE_MAX of all is idle. Not sensitive. */
const OTHERS_MIN = 0.25;
const IDLE_MAX = 0.1;
/** Threads of hosts that wait, for each that runs. Cores full of calls alone reach 1.5. */
const WAITING_MIN = 2;

export class HostCores {
  #last: CoreTimes | null = null;
  #cores = Infinity;

  /** Infinity: as many as they want. */
  get cores(): number {
    return this.#cores;
  }

  /** null: unknown. The kernel counts idle time in steps of 10 ms, so shorter intervals than 100 ms say little. */
  update(times: CoreTimes | null): void {
    this.#cores = times && this.#last ? coresAfter(this.#cores, this.#last, times) : Infinity;
    this.#last = times;
  }
}

/** `cores`: before the interval. */
function coresAfter(cores: number, before: CoreTimes, after: CoreTimes): number {
  const { cpus } = after;
  const passedUs = after.clockUs - before.clockUs;
  const per = (name: keyof CoreTimes): number => (after[name] - before[name]) / passedUs;
  // The kernel may take back a step of idle time. Threads that end take their waiting time along.
  const [idle, waiting] = [Math.max(0, per("idleUs")), Math.max(0, per("hostsWaitedUs"))];
  const hosts = per("hostsUs");
  const parts = [idle, per("interruptsUs"), per("redisUs"), hosts];
  const isPossible = parts.every((part) => part >= 0 && part <= 2 * cpus);
  // Redis was restarted or is on another machine.
  if (!(passedUs > 0) || cpus !== before.cpus || !isPossible) return Infinity;
  const others = cpus - parts.reduce((sum, part) => sum + part, 0);
  if (others < OTHERS_MIN * cpus) return Infinity;
  const isWaiting = waiting >= Math.max(1, WAITING_MIN * hosts);
  if (isWaiting && idle <= IDLE_MAX * cpus) return cores < hosts ? (cores + hosts) / 2 : hosts;
  // Calls may have left for lack of cores. Hosts could have used the idle ones.
  return cores === Infinity ? Infinity : Math.min(cpus, Math.max(cores, hosts + idle));
}

const FIELDS = {
  clockUs: "clock_us",
  cpus: "cpus",
  idleUs: "idle_us",
  interruptsUs: "interrupts_us",
  redisUs: "redis_us",
  hostsUs: "hosts_us",
  hostsWaitedUs: "hosts_waited_us",
} as const satisfies Record<keyof CoreTimes, string>;

/** Reads `core_times` of LOCUS.INFO, `name=value,…`. null: incomplete. */
export function readCoreTimes(line = ""): CoreTimes | null {
  const values = new Map(line.split(",").map((one) => one.split("=") as [string, string]));
  const entries = Object.entries(FIELDS).map(([name, field]) => [name, Number(values.get(field) ?? Number.NaN)]);
  const times = Object.fromEntries(entries) as CoreTimes;
  return times.cpus > 0 && Object.values(times).every((value) => value >= 0 && value < Infinity) ? times : null;
}
