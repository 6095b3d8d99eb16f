import { describe, expect, it } from "vitest";
import { CpuLack, cpuTimesOf, type CpuTimes } from "./cpu-lack.ts";

/** A place where threads run and wait as `second` says, and a clock that pauses move. */
const watch = (second: { readonly ran: number; readonly waited: number } | null) => {
  const nowMs = 1e6;
  let times: CpuTimes = { clockUs: 7e6, ranUs: 5e6, waitedUs: 9e6 };
  let pauses = 0;
  const pass = (seconds: number): void => {
    times = {
      clockUs: times.clockUs + 1e6 * seconds,
      ranUs: times.ranUs + 1e6 * seconds * (second?.ran ?? 0),
      waitedUs: times.waitedUs + 1e6 * seconds * (second?.waited ?? 0),
    };
  };
  const lack = new CpuLack(async () => new Map([["beside Redis", second && times]]));
  const warnings = (atMs: number) =>
    lack.warnings(nowMs + atMs, async (ms) => {
      pauses++;
      pass(ms / 1e3);
    });
  return { warnings, pass, pauses: () => pauses };
};

describe("CpuLack", () => {
  it("says how long threads waited for a core, at the first question too", async () => {
    const { warnings } = watch({ ran: 0.1, waited: 1.5 });
    expect(await warnings(0)).toEqual([
      "functions beside Redis lack CPU: within 0.50 s their threads ran for 0.05 s and waited 0.75 s for a core",
    ]);
  });

  it("compares with the question before, and pauses again only after a long time", async () => {
    const { warnings, pass, pauses } = watch({ ran: 0.1, waited: 1.5 });
    await warnings(0);
    pass(9.5);
    expect(await warnings(10_000)).toEqual([expect.stringContaining("within 9.50 s")]);
    expect(await warnings(10_100)).toEqual([expect.stringContaining("within 9.50 s")]);
    expect(pauses()).toBe(1);
    pass(3_600);
    expect(await warnings(3_610_000)).toEqual([expect.stringContaining("within 0.50 s")]);
  });

  it("says the same to all who ask at once", async () => {
    const { warnings, pauses } = watch({ ran: 0.1, waited: 1.5 });
    const [one, other] = await Promise.all([warnings(0), warnings(400)]);
    expect([one, pauses()]).toEqual([other, 1]);
  });

  it.each([
    ["cores are full of calls", { ran: 1.9, waited: 2.8 }],
    ["threads hardly run", { ran: 0.001, waited: 0.004 }],
    ["the kernel does not count it", null],
  ])("says nothing if %s", async (_when, second) => {
    expect(await watch(second).warnings(0)).toEqual([]);
  });
});

it("reads what the threads of processes ran and waited", () => {
  const before = cpuTimesOf([process.pid])!;
  expect(before.ranUs).toBeGreaterThan(0);
  expect(cpuTimesOf([process.pid])!.waitedUs).toBeGreaterThanOrEqual(before.waitedUs);
  expect(cpuTimesOf([])).toMatchObject({ ranUs: 0, waitedUs: 0 });
});
