import { expect, test } from "vitest";
import { HostCores, readCoreTimes, type CoreTimes } from "./host-cores.ts";

const STRETCH_MS = 250;
const CPUS = 2;

/** What happens in a stretch, in cores; what is left is others'. */
interface Happening {
  readonly redis?: number;
  readonly hosts?: number;
  /** Threads of hosts that wait for a core, on the mean. */
  readonly waiting?: number;
  readonly idle?: number;
  readonly interrupts?: number;
}

/** Of a machine on which one thing happens after the other. */
const machineOf = (cpus = CPUS) => {
  const hostCores = new HostCores();
  let times: CoreTimes = {
    clockUs: 5_000_000,
    cpus,
    idleUs: 9e9,
    interruptsUs: 1e9,
    redisUs: 7e9,
    hostsUs: 3e9,
    hostsWaitedUs: 4e9,
  };
  hostCores.tell(times);
  const passing = (
    { redis = 0.2, hosts = 0, waiting = 0, idle = 0, interrupts = 0 }: Happening,
    ms = STRETCH_MS,
  ): number => {
    const us = 1e3 * ms;
    times = {
      cpus,
      clockUs: times.clockUs + us,
      idleUs: times.idleUs + idle * us,
      interruptsUs: times.interruptsUs + interrupts * us,
      redisUs: times.redisUs + redis * us,
      hostsUs: times.hostsUs + hosts * us,
      hostsWaitedUs: times.hostsWaitedUs + waiting * us,
    };
    hostCores.tell(times);
    return hostCores.cores;
  };
  return { hostCores, passing, tell: (told: CoreTimes | null) => hostCores.tell(told), times: () => times };
};

/** Others have all but 0.3 of the cores, and calls wait. */
const STARVED: Happening = { hosts: 0.1, waiting: 12 };
const CALM: Happening = { hosts: 0.8, idle: 1, waiting: 0.1 };

test("hosts have what they get while others have the cores and calls wait for one all the time", () => {
  const { passing } = machineOf();
  expect(passing(CALM)).toBe(Infinity);
  expect(passing(STARVED)).toBeCloseTo(0.1);
  expect(passing({ ...STARVED, hosts: 0.08 })).toBeCloseTo(0.08);
  expect(passing({ ...STARVED, hosts: 0.2 }), "as little as ever").toBeCloseTo(0.08);
});

test("and as many as they want as soon as cores are idle, or nobody else has them", () => {
  const { passing } = machineOf();
  passing(STARVED);
  expect(passing(CALM)).toBe(Infinity);
  expect(passing({ redis: 0.6, hosts: 1.35, waiting: 20 }), "they are full of calls").toBe(Infinity);
});

test.each<readonly [string, Happening]>([
  ["cores are full of calls, and many wait", { redis: 0.5, hosts: 1.5, waiting: 30 }],
  ["the kernel has a quarter of them for packets", { redis: 0.4, hosts: 1.05, waiting: 30, interrupts: 0.55 }],
  ["others have a core, and the other one is idle", { hosts: 0.3, waiting: 2, idle: 0.5 }],
  ["others have them, and hosts hardly want any", { hosts: 0.1, waiting: 0.3 }],
  ["others have them, and hosts wait less than twice as long as they run", { hosts: 0.4, waiting: 0.7 }],
  ["others have them, and hosts are given way to", { hosts: 1.2, waiting: 1.1 }],
])("they lack nothing where %s", (_when, happening) => {
  const { passing } = machineOf();
  for (let at = 0; at < 40; at++) expect(passing(happening)).toBe(Infinity);
});

test("while they wait for none what they may have comes back, by half in ten seconds: others may leave more by now", () => {
  const { passing } = machineOf();
  passing(STARVED);
  const few = { hosts: 0.05, waiting: 0.3 };
  const after = Array.from({ length: 40 }, () => passing(few)).at(-1)!;
  expect(after).toBeCloseTo(CPUS - (CPUS - 0.1) / 2);
  expect(passing(STARVED)).toBeCloseTo(0.1);
});

test("whoever takes cores again and again is believed to be gone the later each time, two seconds at most", () => {
  const { passing } = machineOf();
  /** Stretches until hosts have cores again. */
  const comesBackAfter = (): number => {
    expect(passing(STARVED)).toBeCloseTo(0.1);
    let stretches = 1;
    while (passing(CALM) < Infinity) stretches++;
    return (stretches * STRETCH_MS) / 1e3;
  };
  expect(comesBackAfter()).toBe(0.25);
  expect(Array.from({ length: 5 }, comesBackAfter)).toEqual([0.75, 1.25, 2.25, 2.25, 2.25]);
  for (let at = 0; at < 6; at++) passing(CALM);
  expect(comesBackAfter(), "after a while without them").toBe(0.25);
});

test("stretches that are too short to tell are taken together", () => {
  const { passing } = machineOf();
  expect(passing(STARVED, 60)).toBe(Infinity);
  expect(passing(STARVED, 60)).toBeCloseTo(0.1);
});

test("what cannot have been tells nothing, and where nobody tells they have what they want", () => {
  const { passing, tell, times, hostCores } = machineOf();
  passing(STARVED);
  const { clockUs } = times();
  tell({ ...times(), clockUs: clockUs - 4e6 });
  expect(hostCores.cores, "a machine that was started anew").toBeCloseTo(0.1);
  tell({ ...times(), clockUs, redisUs: 0 });
  expect(hostCores.cores, "a Redis that was").toBeCloseTo(0.1);
  tell({ ...times(), clockUs: clockUs + 1e6, redisUs: 1e12 });
  expect(hostCores.cores).toBeCloseTo(0.1);
  tell({ ...times(), clockUs: clockUs + 2e6, cpus: 4 });
  expect(hostCores.cores, "other cores").toBeCloseTo(0.1);
  tell(null);
  expect(hostCores.cores).toBe(Infinity);
  passing(STARVED);
  expect(passing(STARVED)).toBeCloseTo(0.1);
  expect(passing({ ...STARVED, waiting: -3 }), "threads have ended").toBeLessThan(0.2);
});

test("a line of LOCUS.INFO is read, and none that does not tell all of it", () => {
  const line = "clock_us=11,cpus=2,idle_us=3,interrupts_us=4,redis_us=5,hosts_us=6,hosts_waited_us=7,and_more=8";
  expect(readCoreTimes(line)).toEqual({
    clockUs: 11,
    cpus: 2,
    idleUs: 3,
    interruptsUs: 4,
    redisUs: 5,
    hostsUs: 6,
    hostsWaitedUs: 7,
  });
  for (const nonsense of [
    undefined,
    "",
    "clock_us",
    line.replace(",cpus=2", ""),
    line.replace("cpus=2", "cpus=0"),
    line.replace("cpus=2", "cpus=two"),
    line.replace("cpus=2", "cpus=1e300"),
  ])
    expect(readCoreTimes(nonsense)).toBeNull();
});
