import { array, assert, integer, property, record } from "fast-check";
import { expect, test } from "vitest";

import { SpreadCpu } from "./spread-cpu.ts";

const BEAT_MS = 500;

interface Call {
  readonly fromMs: number;
  readonly lastsMs: number;
  readonly cpuUs: number;
}

/** What an instance tells with each beat until the last of these has ended. */
const told = (calls: readonly Call[]): readonly number[] => {
  const spread = new SpreadCpu(0);
  const endMs = ({ fromMs, lastsMs }: Call): number => fromMs + lastsMs;
  const lastMs = Math.max(...calls.map(endMs));
  const byEnd = calls.toSorted((one, other) => endMs(one) - endMs(other));
  const cpus: number[] = [];
  for (let atMs = BEAT_MS; cpus.length * BEAT_MS < lastMs; atMs += BEAT_MS) {
    while (byEnd.length > 0 && endMs(byEnd[0]!) <= atMs) {
      const call = byEnd.shift()!;
      spread.add(endMs(call), call.lastsMs, call.cpuUs);
    }
    const isUsed = calls.some((call) => call.fromMs <= atMs && endMs(call) > atMs);
    cpus.push(spread.tell(atMs, BEAT_MS, isUsed));
  }
  return cpus;
};
const SECOND = 1e6;

test("CPU time of calls within a beat is that beat's", () => {
  const two = [10, 200].map((fromMs) => ({ fromMs, lastsMs: 50, cpuUs: 0.05 * SECOND }));
  expect(told(two)).toEqual([0.2]);
});

test("a long call used as much as it did at any time while it ran, and is told of once", () => {
  const long = { fromMs: 100, lastsMs: 6_000, cpuUs: 3 * SECOND };
  const cpus = told([long]);
  expect(cpus.slice(0, -1)).toEqual(Array.from({ length: 12 }, () => 0));
  expect(cpus.at(-1)).toBeCloseTo(0.5);
});

test("long calls that ran at once used as much as all of them, whether they end together or one after another", () => {
  const call = { fromMs: 0, lastsMs: 8_000, cpuUs: 0.8 * SECOND };
  expect(told(Array.from({ length: 16 }, () => call)).at(-1)).toBeCloseTo(1.6);
  const staggered = told(Array.from({ length: 64 }, (_, at) => ({ ...call, fromMs: at * BEAT_MS })));
  for (const cpus of staggered.slice(40, 60)) expect(cpus).toBeCloseTo(1.6);
});

test("of a call as long as any may be all is remembered, and what came before it is not", () => {
  const long = { fromMs: 1_200, lastsMs: 300_000, cpuUs: 150 * SECOND };
  const before = { fromMs: 0, lastsMs: 400, cpuUs: 0.4 * SECOND };
  const cpus = told([before, long]);
  expect(cpus[0]).toBeCloseTo(0.8);
  expect(cpus.at(-1)).toBeCloseTo(0.5);
});

test("the most that is told is the most that calls used in any beat, as far as each used its own evenly", () => {
  const call = record({
    fromMs: integer({ min: 0, max: 20_000 }),
    lastsMs: integer({ min: 1, max: 10_000 }),
    cpuUs: integer({ min: 0, max: 10_000_000 }),
  });
  assert(
    property(array(call, { minLength: 1, maxLength: 20, size: "max" }), (calls) => {
      const used = Array.from({ length: 60 }, (_, beat) =>
        calls.reduce((sum, { fromMs, lastsMs, cpuUs }) => {
          const partMs = Math.min(fromMs + lastsMs, (beat + 1) * BEAT_MS) - Math.max(fromMs, beat * BEAT_MS);
          return sum + (Math.max(0, partMs) / lastsMs) * (cpuUs / 1e3 / BEAT_MS);
        }, 0),
      );
      expect(Math.max(...told(calls))).toBeCloseTo(Math.max(...used), 6);
    }),
  );
});
