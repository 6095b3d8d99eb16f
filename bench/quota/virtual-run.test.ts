import { expect, test } from "vitest";
import { arrivalsOf } from "./load.ts";
import { virtualRun } from "./virtual-run.ts";

const LIMIT_CPUS = 0.5;
const SEEDS = [101, 102, 103, 104, 105, 106];

test.each(SEEDS)(
  "calls of load %i wait as with quotas as configured, for three fifths of what is reserved then",
  (seed) => {
    const arrivals = arrivalsOf(seed, 10, 2_000);
    const [configured, following] = [virtualRun(false, arrivals, LIMIT_CPUS), virtualRun(true, arrivals, LIMIT_CPUS)];
    expect(following.reservedPerUsed).toBeLessThan(0.6 * configured.reservedPerUsed);
    expect(following.p99Ms).toBeLessThanOrEqual(1.05 * configured.p99Ms);
    expect(following.p50Ms).toBeLessThanOrEqual(1.05 * configured.p50Ms);
  },
);

test("a function that works for long now and then has its limit for that, and little between", () => {
  const arrivals = Array.from({ length: 20 }, (_, index) => ({ atMs: 100 + index * 2_000, of: 0, cpuMs: 200 }));
  const [configured, following] = [virtualRun(false, arrivals, LIMIT_CPUS), virtualRun(true, arrivals, LIMIT_CPUS)];
  expect(following.p99Ms).toBeLessThanOrEqual(configured.p99Ms);
  expect(following.reservedPerUsed).toBeLessThan(0.3 * configured.reservedPerUsed);
});

test("a load is the same for the same seed, and moves: each function is hot in some stage", () => {
  const arrivals = arrivalsOf(1, 40, 1_000);
  expect(arrivalsOf(1, 40, 1_000)).toEqual(arrivals);
  const hot = new Set<number>();
  for (let stage = 0; stage < 40; stage++) {
    const inStage = arrivals.filter(({ atMs }) => Math.floor(atMs / 1_000) === stage);
    const counts = [0, 1, 2, 3].map((of) => inStage.filter((arrival) => arrival.of === of).length);
    expect(Math.min(...counts)).toBe(0);
    hot.add(counts.indexOf(Math.max(...counts)));
  }
  expect(hot).toEqual(new Set([0, 1, 2, 3]));
});
