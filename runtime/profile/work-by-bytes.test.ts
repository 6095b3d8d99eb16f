import { describe, expect, test } from "vitest";
import { seededRandom } from "../seeded-random.ts";
import { lonePart, type LonePart } from "./lone-part.ts";
import { WorkByBytes } from "./work-by-bytes.ts";

const WINDOW_MS = 25;
/** Of a call, that is work beside its computing: some operations. */
const BESIDES_US = 320;

interface Of {
  readonly windows?: number;
  readonly calls?: number;
  /** Of one call, by a random number from 0 to 1. */
  readonly bytes: (drawn: number) => number;
  readonly cpuUs: (bytes: number, drawn: number) => number;
}

/** What has come until now, from `fromMs` on. */
function after(
  { windows = 40, calls = 10, bytes, cpuUs }: Of,
  of = lonePart(WorkByBytes),
  fromMs = 0,
): LonePart<WorkByBytes> {
  const random = seededRandom(3);
  for (let window = 1; window <= windows; window++) {
    let [allBytes, allCpuUs] = [0, 0];
    for (let call = 0; call < calls; call++) {
      const own = bytes(random());
      allBytes += own;
      allCpuUs += cpuUs(own, random());
    }
    of.add(calls, allBytes, allCpuUs, allCpuUs + calls * BESIDES_US, fromMs + window * WINDOW_MS);
  }
  return of;
}

/** One call in ten has thirty times the bytes of the others. */
const hubsAndLeaves = (drawn: number): number => (drawn < 0.1 ? 30_000 : 1_000);
const byBytes = (bytes: number, drawn: number): number => (400 + bytes) * 0.01 * (0.8 + 0.4 * drawn);
const byItself = (_bytes: number, drawn: number): number => 50 + 200 * drawn;

describe("what a call computes", () => {
  test("is known to go with its bytes, and how much of it does not", () => {
    const known = after({ bytes: hubsAndLeaves, cpuUs: byBytes });
    expect(known.cpuBesidesBytes()).toBeGreaterThan(0);
    expect(known.cpuBesidesBytes()).toBeLessThan(1_200);
    const exact = after({ bytes: hubsAndLeaves, cpuUs: (bytes) => (2_000 + bytes) * 0.01 });
    expect(exact.cpuBesidesBytes()).toBeCloseTo(2_000, 3);
  });

  test("is less of its work where operations are most of that, and these are as many whatever the bytes", () => {
    const known = after({ bytes: hubsAndLeaves, cpuUs: (bytes) => (2_000 + bytes) * 0.01 });
    expect(known.workBesidesBytes()).toBeCloseTo(2_000 + BESIDES_US / 0.01, 3);
  });

  test("is by bytes alone where a line through what is known would have less than nothing without any", () => {
    expect(after({ bytes: hubsAndLeaves, cpuUs: (bytes) => bytes ** 1.2 / 1_000 }).cpuBesidesBytes()).toBe(0);
  });

  test.each([
    ["where it is whatever it is", { bytes: hubsAndLeaves, cpuUs: byItself }],
    ["where all have as many bytes", { bytes: (drawn: number) => 1_000 + drawn, cpuUs: byBytes }],
    ["where there are none", { bytes: () => 0, cpuUs: byItself }],
    ["where more bytes make it less", { bytes: hubsAndLeaves, cpuUs: (bytes: number) => 400 - bytes / 100 }],
    ["of a few windows", { bytes: hubsAndLeaves, cpuUs: byBytes, windows: 15 }],
  ])("is not known to, %s", (_where, of) => {
    expect(after(of).cpuBesidesBytes()).toBeNull();
  });

  test("still goes with them while some of it is something else, and no more when most of it is", () => {
    /** Few bytes and many in turn, and so much more or less computing whatever they are: of what it varies by, `part` is by bytes. */
    const mixed = (part: number, of: LonePart<WorkByBytes>, fromMs: number): LonePart<WorkByBytes> => {
      const [few, many] = [1_000, 31_000];
      const besidesUs = 0.005 * (many - few) * Math.sqrt(1 / part - 1);
      for (let window = 1; window <= 2_000; window++) {
        const bytes = window % 2 === 0 ? few : many;
        const cpuUs = 500 + 0.01 * bytes + (window % 4 < 2 ? besidesUs : -besidesUs);
        of.add(1, bytes, cpuUs, cpuUs, fromMs + window * WINDOW_MS);
      }
      return of;
    };
    expect(mixed(0.6, lonePart(WorkByBytes), 0).cpuBesidesBytes()).toBeNull();
    const known = mixed(0.9, lonePart(WorkByBytes), 0);
    expect(known.cpuBesidesBytes()! / 50_000).toBeCloseTo(1, 1);
    expect(mixed(0.6, known, 60_000).cpuBesidesBytes()).not.toBeNull();
    expect(mixed(0.2, known, 120_000).cpuBesidesBytes()).toBeNull();
  });

  test("is what it was lately", () => {
    const known = after({ bytes: hubsAndLeaves, cpuUs: (bytes) => (2_000 + bytes) * 0.01 });
    const later = after({ bytes: hubsAndLeaves, cpuUs: (bytes) => (9_000 + bytes) * 0.01 }, known, 100_000);
    expect(later.cpuBesidesBytes()! / 9_000).toBeGreaterThan(0.95);
  });
});
