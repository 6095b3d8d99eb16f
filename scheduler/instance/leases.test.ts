import { describe, expect, test } from "vitest";

import { check, NODE, setUp, SHARING, used } from "../scheduler-fixture.ts";

describe("leases", () => {
  test("what is lent is busy for others until it expires, and then idle again", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 600 }, 0);
    const instance = scheduler.adopt("x1", "f", "n1", 0);
    const lease = scheduler.lend(instance, "n1", 1_000, 1);
    expect(() => scheduler.lend(instance, "n2", 1_000, 1)).toThrow(
      expect.objectContaining({ code: "INSTANCE_NOT_HELD" }),
    );
    // There is no room for another one.
    scheduler.acquire(pool, "a", Infinity, 2);
    expect(effects.ended).toEqual(["revoked"]);
    expect(scheduler.renewLease(lease, 1_000, 3)).toBe(false);
    scheduler.tick(1_001);
    expect(effects.ended).toEqual(["revoked", "expired"]);
    expect(effects.grants.get("a")).toBe(instance);
    scheduler.returnLease(lease, 1_002);
    expect(instance.running).toBe(1);
  });

  test("are not called back where a start is under way for whoever waits", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    const lease = scheduler.lend(scheduler.adopt("x1", "f", "n1", 0), "n1", 1_000, 1);
    scheduler.acquireToLend(pool, "a", Infinity, 2);
    expect(effects.starting).toHaveLength(1);
    expect(scheduler.renewLease(lease, 1_000, 3)).toBe(true);
    scheduler.instanceStarted(effects.starting[0]!, 4);
    scheduler.lend(effects.grants.get("a")!, "n2", 1_000, 4);
    expect(scheduler.counts).toMatchObject({ busy: 2, idle: 0 });
    scheduler.returnLease(lease, 5);
    expect(scheduler.counts).toMatchObject({ busy: 1, idle: 1 });
  });

  test("are not called back for their own holder, whose calls they serve, but for others", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 600 }, 0);
    const holder = scheduler.node("n1");
    scheduler.lend(scheduler.adopt("x1", "f", "n1", 0), "n1", 60_000, 1);
    scheduler.acquireToLend(pool, "a", Infinity, 2, holder);
    expect(effects.ended).toEqual([]);
    scheduler.acquireToLend(pool, "b", Infinity, 3, scheduler.nodeCame({ ...NODE, id: "n2", memoryMb: 100 }, 2));
    expect(effects.ended).toEqual(["revoked"]);
  });

  test("beyond what their function is allowed are called back, and what was lent ends", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    const leases = ["x1", "x2", "x3"].map((id) => scheduler.lend(scheduler.adopt(id, "f", "n1", 0), "n1", 60_000, 1));
    scheduler.allow(pool, 1, 2);
    const revoked = leases.filter((lease) => lease.revoked);
    expect([revoked.length, pool.surplus]).toEqual([2, 2]);
    for (const lease of revoked) scheduler.returnLease(lease, 3);
    expect(effects.stopping).toEqual(revoked.map(({ instance }) => instance));
    expect(pool).toMatchObject({ live: 1, surplus: 0 });
    check(scheduler);
  });

  test("one of the function that holds the most is called back for another that finds no room", () => {
    const { effects, scheduler } = setUp();
    scheduler.declare({ key: "f", memoryMb: 500 }, 0);
    const leases = ["x1", "x2"].map((id) => scheduler.lend(scheduler.adopt(id, "f", "n1", 0), "n1", 60_000, 1));
    const other = scheduler.declare({ key: "g", memoryMb: 500 }, 1);
    scheduler.acquire(other, "a", Infinity, 2);
    scheduler.acquire(other, "b", Infinity, 2);
    const revoked = leases.filter((lease) => lease.revoked);
    expect(revoked).toHaveLength(1);
    scheduler.returnLease(revoked[0]!, 3);
    scheduler.instanceGone(effects.stopping[0]!, 4);
    expect(effects.starting[0]!.pool).toBe(other);
    // Each has one: neither takes the other's.
    expect(leases.filter((lease) => lease.revoked)).toHaveLength(1);
  });
});

describe("growth of a holder", () => {
  const OTHER = { ...NODE, id: "n2" };

  test("takes what is free, else starts where CPU is to spare, and nothing where somebody would lose by it", () => {
    const { effects, scheduler } = setUp({}, SHARING, { ...NODE, cpus: 2 });
    const pool = scheduler.declare({ key: "f", memoryMb: 512 }, 0);
    scheduler.lend(scheduler.adopt("x1", "f", "n1", 0), "n1", 60_000, 0);
    scheduler.nodeCame({ ...OTHER, cpus: 2 }, 0);
    expect(scheduler.grow(pool, "a", Infinity, 1)).toBe(true);
    expect(effects.starting.map(({ node }) => node.id)).toEqual(["n2"]);
    expect(scheduler.grow(pool, "b", Infinity, 2)).toBe(false);
    scheduler.instanceStarted(effects.starting[0]!, 3);
    scheduler.release(effects.grants.get("a")!, used, 4);
    expect(scheduler.grow(pool, "c", Infinity, 5)).toBe(true);
    expect(effects.grants.get("c")?.node.id).toBe("n2");
    expect(scheduler.grow(pool, "d", Infinity, 6)).toBe(false);
    expect(scheduler.counts).toMatchObject({ waiting: 0, busy: 2 });
  });

  test("comes first to whoever asks and has none there, though one is free elsewhere", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    scheduler.adopt("x1", "f", "n1", 0);
    const near = scheduler.nodeCame(OTHER, 0);
    expect(scheduler.grow(pool, "a", Infinity, 1, near)).toBe(true);
    expect(effects.starting.map(({ node }) => node)).toEqual([near]);
  });

  test("goes no further on a node than there are cores", () => {
    const { effects, scheduler } = setUp({}, SHARING, { ...NODE, cpus: 2 });
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    for (const ticket of ["a", "b"]) {
      expect(scheduler.grow(pool, ticket, Infinity, 1)).toBe(true);
      scheduler.instanceStarted(effects.starting.at(-1)!, 2);
    }
    expect(scheduler.grow(pool, "c", Infinity, 3)).toBe(false);
  });

  test("goes no further than its function is allowed, and is known to have been wanted", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    scheduler.allow(pool, 1, 1);
    expect(scheduler.grow(pool, "a", Infinity, 2)).toBe(true);
    scheduler.instanceStarted(effects.starting[0]!, 3);
    expect(pool.isHeldBack).toBe(false);
    expect(scheduler.grow(pool, "b", Infinity, 4)).toBe(false);
    expect(pool.isHeldBack).toBe(true);
    scheduler.allow(pool, 2, 5);
    expect(scheduler.grow(pool, "c", Infinity, 6)).toBe(true);
  });
});
