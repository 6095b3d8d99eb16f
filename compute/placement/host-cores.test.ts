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
  expect(passing({ ...STARVED, hosts: 0.2 }), "more by halves").toBeCloseTo(0.14);
  expect(passing({ ...STARVED, hosts: 0.2 })).toBeCloseTo(0.17);
});

test("and as many as they want as soon as nobody else has them", () => {
  const { passing } = machineOf();
  passing(STARVED);
  expect(passing(CALM)).toBe(Infinity);
  passing(STARVED);
  for (let at = 0; at < 4; at++) passing({ redis: 0.6, hosts: 1.35, waiting: 20 });
  expect(passing({ redis: 0.6, hosts: 1.35, waiting: 20 }), "they are full of calls").toBe(Infinity);
});

test("and no more than what is idle besides while others have the rest, however few calls are left", () => {
  const { passing } = machineOf();
  expect(passing({ redis: 0.3, hosts: 0.4, waiting: 9 }), "others have 1.3").toBeCloseTo(0.4);
  for (let at = 0; at < 20; at++)
    expect(passing({ redis: 0.3, hosts: 0.3, waiting: 0.1, idle: 0.8 })).toBeGreaterThanOrEqual(1.1);
  expect(passing({ redis: 0.3, hosts: 0.3, waiting: 0.1, idle: 0.8 })).toBeLessThan(1.6);
  for (let at = 0; at < 400; at++) expect(passing({ redis: 0.3, waiting: 0.1 })).toBeLessThanOrEqual(CPUS);
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

test("while they wait for none they may have twice as much after ten seconds: others may leave more by now", () => {
  const { passing } = machineOf();
  passing(STARVED);
  const few = { hosts: 0.05, waiting: 0.3 };
  const after = Array.from({ length: 40 }, () => passing(few)).at(-1)!;
  expect(after).toBeCloseTo(0.2);
  expect(passing(STARVED)).toBeCloseTo(0.1);
});

test("whoever takes cores again and again is believed to be gone the later each time, two seconds at most", () => {
  const { passing } = machineOf();
  /** Seconds until hosts have cores again. */
  const comesBackAfter = (): number => {
    expect(passing(STARVED)).toBeCloseTo(0.1);
    for (let stretches = 1; stretches < 40; stretches++)
      if (passing(CALM) === Infinity) return (stretches * STRETCH_MS) / 1e3;
    return Infinity;
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

test.each<readonly [string, Partial<CoreTimes>]>([
  ["a machine that was started anew", { clockUs: 1_000_000 }],
  ["another Redis", { redisUs: 0 }],
  ["other hosts, of another module", { hostsUs: 0 }],
  ["times that cannot be", { redisUs: 1e12 }],
  ["other cores", { cpus: 4 }],
])("what was known is forgotten with %s", (_what, other) => {
  const { passing, tell, times, hostCores } = machineOf();
  expect(passing(STARVED)).toBeCloseTo(0.1);
  tell({ ...times(), clockUs: times().clockUs + 1e6, ...other });
  expect(hostCores.cores).toBe(Infinity);
});

test("where nobody tells any more they have what they want; idle time that is counted less than before is none", () => {
  const { passing, tell, hostCores } = machineOf();
  passing(STARVED);
  tell(null);
  expect(hostCores.cores).toBe(Infinity);
  passing(STARVED);
  expect(passing({ ...STARVED, idle: -0.04 })).toBeCloseTo(0.1);
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
    line.replace("cpus=2", "cpus=1e999"),
    line.replace("redis_us=5", "redis_us=-5"),
  ])
    expect(readCoreTimes(nonsense)).toBeNull();
});
