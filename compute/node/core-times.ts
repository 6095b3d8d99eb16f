// Times of the cores of Redis' machine, as LOCUS.INFO has them.

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
