import { expect, test } from "vitest";
import { seededRandom } from "../seeded-random.ts";
import { WorkByBytes } from "./work-by-bytes.ts";

interface Calls {
  readonly windows?: number;
  /** Of one call, by a random number from 0 to 1. */
  readonly bytes: (drawn: number) => number;
  readonly cpuUs: (bytes: number, drawn: number) => number;
}

/** Adds windows of ten calls. */
function after({ windows = 40, bytes, cpuUs }: Calls, work = new WorkByBytes(), fromMs = 0): WorkByBytes {
  const random = seededRandom(3);
  for (let window = 1; window <= windows; window++) {
    let [allBytes, allCpuUs] = [0, 0];
    for (let call = 0; call < 10; call++) {
      const own = bytes(random());
      allBytes += own;
      allCpuUs += cpuUs(own, random());
    }
    work.add(10, allBytes, allCpuUs, fromMs + 25 * window);
  }
  return work;
}

/** One call in ten has thirty times the bytes of the others. */
const hubsAndLeaves = (drawn: number): number => (drawn < 0.1 ? 30_000 : 1_000);
const byBytes = (bytes: number, drawn: number): number => (400 + bytes) * 0.01 * (0.8 + 0.4 * drawn);
const byItself = (_bytes: number, drawn: number): number => 50 + 200 * drawn;

test("CPU time is known to go with bytes, and how much of it does not", () => {
  const noisy = after({ bytes: hubsAndLeaves, cpuUs: byBytes }).besidesBytes;
  expect(noisy).toBeGreaterThan(0);
  expect(noisy).toBeLessThan(1_200);
  expect(after({ bytes: hubsAndLeaves, cpuUs: (bytes) => (2_000 + bytes) * 0.01 }).besidesBytes).toBeCloseTo(2_000, 3);
});

test("no CPU time is left beside bytes if the line would begin below 0", () => {
  expect(after({ bytes: hubsAndLeaves, cpuUs: (bytes) => bytes ** 1.2 / 1_000 }).besidesBytes).toBe(0);
});

test.each([
  ["CPU time is independent of them", { bytes: hubsAndLeaves, cpuUs: byItself }],
  ["all calls have as many", { bytes: (drawn: number) => 1_000 + drawn, cpuUs: byBytes }],
  ["there are none", { bytes: () => 0, cpuUs: byItself }],
  ["more bytes make CPU time less", { bytes: hubsAndLeaves, cpuUs: (bytes: number) => 400 - bytes / 100 }],
  ["few windows are known", { bytes: hubsAndLeaves, cpuUs: byBytes, windows: 10 }],
])("CPU time does not go with bytes if %s", (_if, calls) => {
  expect(after(calls).besidesBytes).toBeNull();
});

test("old windows fade", () => {
  const known = after({ bytes: hubsAndLeaves, cpuUs: (bytes) => (2_000 + bytes) * 0.01 });
  const later = after({ bytes: hubsAndLeaves, cpuUs: (bytes) => (9_000 + bytes) * 0.01 }, known, 100_000);
  expect(later.besidesBytes! / 9_000).toBeGreaterThan(0.95);
});
