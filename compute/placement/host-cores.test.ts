import { expect, test } from "vitest";
import { HostCores, readCoreTimes, type CoreTimes } from "./host-cores.ts";

const CPUS = 2;

/** Of an interval, in cores and threads; other processes have the rest. */
interface Used {
  readonly redis?: number;
  readonly hosts?: number;
  readonly waiting?: number;
  readonly idle?: number;
  readonly interrupts?: number;
}

const machineOf = () => {
  const hostCores = new HostCores();
  let times: CoreTimes = { ...FIRST };
  hostCores.update(times);
  /** Cores of hosts after an interval. */
  const after = ({ redis = 0.2, hosts = 0, waiting = 0, idle = 0, interrupts = 0 }: Used): number => {
    const us = 250_000;
    const { clockUs, idleUs, interruptsUs, redisUs, hostsUs, hostsWaitedUs } = times;
    times = {
      cpus: CPUS,
      clockUs: clockUs + us,
      idleUs: idleUs + idle * us,
      interruptsUs: interruptsUs + interrupts * us,
      redisUs: redisUs + redis * us,
      hostsUs: hostsUs + hosts * us,
      hostsWaitedUs: hostsWaitedUs + waiting * us,
    };
    hostCores.update(times);
    return hostCores.cores;
  };
  return { hostCores, after, times: () => times };
};
const FIRST = {
  clockUs: 5e6,
  cpus: CPUS,
  idleUs: 9e9,
  interruptsUs: 1e9,
  redisUs: 7e9,
  hostsUs: 3e9,
  hostsWaitedUs: 4e9,
};

/** Others have most of the cores, and calls wait. */
const STARVED: Used = { hosts: 0.1, waiting: 12 };
const CALM: Used = { hosts: 0.8, idle: 1, waiting: 0.1 };

test("while others have the cores and calls wait, hosts have what they work on; when others leave, all", () => {
  const { after } = machineOf();
  expect(after(CALM)).toBe(Infinity);
  expect(after(STARVED)).toBeCloseTo(0.1);
  expect(after({ ...STARVED, hosts: 0.08 })).toBeCloseTo(0.08);
  expect(after({ ...STARVED, hosts: 0.3 })).toBeGreaterThan(0.15);
  expect(after(CALM)).toBe(Infinity);
});

test("after calls have left, hosts have no more than before and what is idle, as long as others stay", () => {
  const { after } = machineOf();
  expect(after(STARVED)).toBeCloseTo(0.1);
  for (let at = 0; at < 40; at++) expect(after({ waiting: 0.1 })).toBeCloseTo(0.1);
  expect(after({ hosts: 0.3, waiting: 0.1, idle: 0.8 })).toBeCloseTo(1.1);
});

test.each<readonly [string, Used]>([
  ["cores are full of calls", { redis: 0.5, hosts: 1.5, waiting: 30 }],
  ["the kernel handles packets", { redis: 0.4, hosts: 1.05, waiting: 30, interrupts: 0.55 }],
  ["a core is idle", { hosts: 0.3, waiting: 2, idle: 0.5 }],
  ["hosts hardly want any", { hosts: 0.1, waiting: 0.3 }],
  ["others give way to hosts", { hosts: 1.2, waiting: 1.1 }],
])("hosts do not lack cores when %s", (_when, used) => {
  const { after } = machineOf();
  for (let at = 0; at < 40; at++) expect(after(used)).toBe(Infinity);
});

test.each<readonly [string, Partial<CoreTimes> | null]>([
  ["a machine that was started again", { clockUs: 1_000_000 }],
  ["another Redis", { redisUs: 0 }],
  ["impossible times", { redisUs: 1e12 }],
  ["other cores", { cpus: 4 }],
  ["a module that does not say", null],
])("the past is forgotten with %s", (_what, other) => {
  const { after, times, hostCores } = machineOf();
  expect(after(STARVED)).toBeCloseTo(0.1);
  hostCores.update(other && { ...times(), clockUs: times().clockUs + 1e6, ...other });
  expect(hostCores.cores).toBe(Infinity);
});

test("a line of LOCUS.INFO is read if it is complete", () => {
  const line = "clock_us=11,cpus=2,idle_us=3,interrupts_us=4,redis_us=5,hosts_us=6,hosts_waited_us=7,and_more=8";
  const host = { redisUs: 5, hostsUs: 6, hostsWaitedUs: 7 };
  expect(readCoreTimes(line)).toEqual({ ...host, clockUs: 11, cpus: 2, idleUs: 3, interruptsUs: 4 });
  for (const cpus of ["", ",cpus=0", ",cpus=two", ",cpus=1e999", ",cpus=-5"]) {
    expect(readCoreTimes(line.replace(",cpus=2", cpus))).toBeNull();
  }
  expect(readCoreTimes(undefined)).toBeNull();
});
