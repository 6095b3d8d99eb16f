// What a seed stands for: the schedules of faults and of calls.

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { callSchedule } from "./call-schedule.ts";
import { faultSchedule, subjectsOf } from "./fault-schedule.ts";
import { WORKLOAD } from "./functions.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const episodes = fc.integer({ min: 1, max: 10_000 });
const DURATION_MS = 20_000;
const load = (seed: number, episode: number) => ({ seed, episode, durationMs: DURATION_MS, callsPerSecond: 40 });

describe("a fault schedule", () => {
  it("is the same for the same seed and episode, and another for others", () => {
    fc.assert(
      fc.property(seeds, episodes, (seed, episode) => {
        const faults = faultSchedule(seed, episode, DURATION_MS);
        expect(faultSchedule(seed, episode, DURATION_MS)).toEqual(faults);
        expect(faultSchedule(seed, episode + 1, DURATION_MS)).not.toEqual(faults);
        expect(faultSchedule(seed + 1, episode, DURATION_MS)).not.toEqual(faults);
      }),
    );
  });

  it("has its faults in order, all over by its end, and never two on one subject at once", () => {
    fc.assert(
      fc.property(seeds, episodes, (seed, episode) => {
        const faults = faultSchedule(seed, episode, DURATION_MS);
        expect(faults.map(({ atMs }) => atMs)).toEqual(faults.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
        for (const { atMs, lastsMs } of faults) expect(atMs + lastsMs).toBeLessThanOrEqual(DURATION_MS);
        const overlapping = faults.filter((fault, index) => {
          const next = faults
            .slice(index + 1)
            .find((later) => subjectsOf(later).some((subject) => subjectsOf(fault).includes(subject)));
          return next !== undefined && next.atMs <= fault.atMs + fault.lastsMs;
        });
        expect(overlapping).toEqual([]);
      }),
    );
  });

  it("has every kind of fault on every subject sooner or later", () => {
    const seen = new Set<string>();
    for (let episode = 1; episode <= 200; episode++) {
      for (const { kind, subject } of faultSchedule(1, episode, DURATION_MS)) seen.add(`${kind} ${subject}`);
    }
    // Five kinds for four processes, four kinds for three links, two kinds of promotion.
    expect(seen.size).toBe(5 * 4 + 4 * 3 + 2);
  });
});

describe("a call schedule", () => {
  it("is the same for the same seed and episode, and another for others", () => {
    const calls = callSchedule(load(7, 3), WORKLOAD);
    expect(callSchedule(load(7, 3), WORKLOAD)).toEqual(calls);
    expect(callSchedule(load(7, 4), WORKLOAD)).not.toEqual(calls);
    expect(callSchedule(load(8, 3), WORKLOAD)).not.toEqual(calls);
  });

  it("gives each call an id of its own, over all episodes", () => {
    const ids = [1, 2, 3].flatMap((episode) =>
      callSchedule(load(7, episode), WORKLOAD).flatMap((shipment) => shipment.map(({ args }) => args.id)),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("sends the lines of a batch to one function, by one way, at one time", () => {
    const batches = callSchedule(load(7, 1), WORKLOAD).filter(([{ way }]) => way.startsWith("batch"));
    expect(batches).not.toEqual([]);
    for (const [first, ...others] of batches) {
      expect(others.length).toBeGreaterThan(0);
      for (const other of others) expect(other).toEqual({ ...first, args: other.args });
    }
  });

  it("calls every function by every way sooner or later", () => {
    const seen = new Set<string>();
    for (let episode = 1; episode <= 120; episode++) {
      for (const [call] of callSchedule(load(1, episode), WORKLOAD)) seen.add(`${call.function} ${call.way}`);
    }
    expect(seen.size).toBe(Object.keys(WORKLOAD).length * 7);
  });
});
