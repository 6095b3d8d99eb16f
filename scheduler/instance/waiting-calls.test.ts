import { describe, expect, test } from "vitest";

import { NODE, setUp, SHARING, used } from "../scheduler-fixture.ts";

describe("calls that wait", () => {
  test("more than may wait are refused; those that wait are served in order, or refused at their deadline", () => {
    const { effects, scheduler } = setUp({ waitingMax: 10_000 }, SHARING, { ...NODE, memoryMb: 100 });
    const pool = scheduler.declare({ key: "f", memoryMb: 1 }, 0);
    for (let call = 0; call < 10_200; call++) scheduler.acquire(pool, `${call}`, 1_000, 0);
    expect(effects.starting).toHaveLength(100);
    expect([...effects.refusals.values()]).toEqual(Array.from({ length: 200 }, () => "OVERLOADED"));
    for (const instance of effects.starting) scheduler.instanceStarted(instance, 1);
    for (const instance of effects.starting) scheduler.release(instance, used, 2);
    expect([...effects.grants.keys()]).toEqual(Array.from({ length: 200 }, (_, call) => `${call}`));
    scheduler.tick(1_000);
    expect(scheduler.counts).toMatchObject({ waiting: 0, busy: 100, refusals: 10_000 });
  });

  test("of two functions that want the same room each gets its turn", () => {
    const { effects, scheduler } = setUp({}, SHARING, { ...NODE, memoryMb: 4 });
    for (const key of ["f", "g"]) {
      const pool = scheduler.declare({ key, memoryMb: 1, instancesMax: 100 }, 0);
      for (let call = 0; call < 50; call++) scheduler.acquire(pool, `${key}${call}`, Infinity, 0);
    }
    // All room went to the first: what comes free is shared from now on.
    for (const instance of effects.starting.slice()) scheduler.instanceStarted(instance, 1);
    for (let turn = 0; turn < 4; turn++) {
      const instance = effects.starting[turn]!;
      scheduler.instanceGone(instance, 2 + turn);
    }
    const started = effects.starting.slice(4).map(({ pool }) => pool.config.key);
    expect(started).toContain("g");
    expect(started.filter((key) => key === "g").length).toBeGreaterThanOrEqual(2);
  });

  test("one that leaves takes its unplaced start with it", () => {
    const { effects, scheduler } = setUp({ nodesMax: 1 }, SHARING, null);
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    expect(effects.reservations).toBe(1);
    expect(scheduler.cancel("a", 1)).toBe(true);
    expect(scheduler.cancel("a", 1)).toBe(false);
    scheduler.nodeCame(NODE, 2);
    expect(effects.starting).toHaveLength(0);
    expect(scheduler.counts).toMatchObject({ waiting: 0, unplaced: 0 });
  });
});
