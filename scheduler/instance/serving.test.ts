import { describe, expect, test } from "vitest";

import type { FunctionPolicy, Policy, PoolView } from "../policy/policy.ts";
import { MINUTE, setUp, SHARING } from "../scheduler-fixture.ts";

const SINCE_MS = [100, 250, 700];
const NOW_MS = 1_000;
const TTL_MS = 10_000;
const NONE = { busy: 0, busyForMs: 0 };

/** A scheduler whose policy wants so many starts whatever it sees, and what it sees. */
const watched = (starts = 0, againMs = 40) => {
  const views: PoolView[] = [];
  const policy: Policy = {
    ...SHARING,
    follow: (facts, nowMs) => {
      const startsFor = ({ busy, idle, starting, waiting, unplaced, startingSinceMs, busySinceMs }: PoolView) => {
        views.push({ busy, idle, starting, waiting, unplaced, startingSinceMs, busySinceMs });
        return starts;
      };
      const decides: Partial<FunctionPolicy> = {
        startsFor,
        reconsiderAtMs: (_, atMs) => atMs + againMs,
        arrived: () => {},
        keepAliveMs: () => Infinity,
        nextPlanMs: () => Infinity,
      };
      return Object.assign(Object.create(MINUTE.follow(facts, nowMs)) as FunctionPolicy, decides);
    },
  };
  const { scheduler, effects } = setUp({}, policy);
  const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
  const instances = SINCE_MS.map((_, at) => scheduler.adopt(`i${at}`, "f", "n1", 0));
  return { scheduler, effects, pool, instances, views };
};
/** Of so many that took their last calls at these times. */
const heldOf = (sinceMs: readonly number[]) => {
  const busyForMs = sinceMs.reduce((sum, ms) => sum + NOW_MS - ms, 0) / sinceMs.length;
  return { busy: sinceMs.length, busyForMs };
};

describe("calls that wait with whoever holds instances, all of them busy", () => {
  test("are to the policy what calls are that wait where it sees those instances itself", () => {
    const here = watched();
    for (const [at, ms] of SINCE_MS.entries()) here.scheduler.acquire(here.pool, `call ${at}`, Infinity, ms);
    here.scheduler.acquire(here.pool, "waits", Infinity, NOW_MS);
    const there = watched();
    for (const one of there.instances) there.scheduler.lend(one, "n1", TTL_MS, 0);
    there.scheduler.waitOrStart(there.pool, 1, heldOf(SINCE_MS), NOW_MS);
    // Two of them lent, and one of the scheduler's own.
    const both = watched();
    const [first] = SINCE_MS as [number];
    both.scheduler.acquire(both.pool, "call 0", Infinity, first);
    for (const one of both.instances) if (one.state === "idle") both.scheduler.lend(one, "n1", TTL_MS, 0);
    both.scheduler.waitOrStart(both.pool, 1, heldOf(SINCE_MS.slice(1)), NOW_MS);
    expect(here.views).toEqual([expect.objectContaining({ busy: 3, idle: 0, starting: 0, waiting: 1 })]);
    expect([there.views, both.views]).toEqual([here.views, here.views]);
    expect(there.effects.starting).toEqual([]);
  });

  test("are worth no more starts than there are calls, and else wait for as long as the policy says", () => {
    const held = heldOf(SINCE_MS);
    for (const [starts, worth] of [
      [0, 0],
      [2, 2],
      [9, 5],
    ] as const) {
      const { scheduler, pool, instances } = watched(starts);
      for (const one of instances) scheduler.lend(one, "n1", TTL_MS, 0);
      expect(scheduler.waitOrStart(pool, 5, held, NOW_MS)).toEqual({ starts: worth, againAtMs: NOW_MS + 40 });
    }
    const { scheduler, pool, instances } = watched(0, 0);
    for (const one of instances) scheduler.lend(one, "n1", TTL_MS, 0);
    expect(scheduler.waitOrStart(pool, 5, held, NOW_MS).againAtMs).toBe(NOW_MS + 1);
  });

  test("all come where nothing is held, free or starting for nobody, and as far as there is something free", () => {
    const { scheduler, pool, instances, views } = watched(0);
    expect(scheduler.waitOrStart(pool, 2, heldOf(SINCE_MS), NOW_MS)).toEqual({ starts: 2, againAtMs: Infinity });
    for (const one of instances) scheduler.lend(one, "n1", TTL_MS, NOW_MS);
    expect(scheduler.waitOrStart(pool, 2, NONE, NOW_MS)).toEqual({ starts: 2, againAtMs: Infinity });
    expect(views).toEqual([]);
  });

  test("are worth what is free, and the policy is asked about the others, with that among the busy ones", () => {
    for (const [starts, worth] of [
      [0, 1],
      [2, 3],
      [9, 5],
    ] as const) {
      const { scheduler, pool, instances, views } = watched(starts);
      for (const one of instances.slice(1)) scheduler.lend(one, "n1", TTL_MS, NOW_MS);
      expect(scheduler.waitOrStart(pool, 5, heldOf([400, 700]), NOW_MS).starts).toBe(worth);
      expect(views).toEqual([
        expect.objectContaining({ busy: 3, idle: 0, waiting: 4, busySinceMs: (400 + 700 + NOW_MS) / 3 }),
      ]);
    }
  });

  test("are worth starts that nobody waits for, beside those that the policy wants", () => {
    const { scheduler, effects, pool, instances, views } = watched(0);
    for (const one of instances) scheduler.lend(one, "n1", TTL_MS, NOW_MS);
    expect(scheduler.waitOrStart(pool, 5, heldOf(SINCE_MS), NOW_MS).starts).toBe(0);
    expect(scheduler.grow(pool, "to come", Infinity, NOW_MS)).toBe(true);
    expect(effects.starting).toHaveLength(1);
    expect(scheduler.waitOrStart(pool, 5, heldOf(SINCE_MS), NOW_MS).starts).toBe(0);
    scheduler.cancel("to come", NOW_MS);
    expect(scheduler.waitOrStart(pool, 5, heldOf(SINCE_MS), NOW_MS).starts).toBe(1);
    expect(views.at(-1)).toMatchObject({ busy: 3, starting: 1, waiting: 5 });
    expect(scheduler.waitOrStart(pool, 5, NONE, NOW_MS).starts).toBe(1);
    expect(views.at(-1)).toMatchObject({ busy: 0, starting: 1, busySinceMs: NaN });
  });
});
