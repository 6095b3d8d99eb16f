import { array, assert, constantFrom, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";

import { fixedKeepAlive } from "./policy/fixed.ts";
import { forecast } from "./policy/forecast.ts";
import type { Policy } from "./policy/policy.ts";
import { RecordedEffects } from "./recorded-effects.ts";
import { type SavedScheduler, Scheduler } from "./scheduler.ts";
import type { SchedulerSettings } from "./settings.ts";

const NODE = { id: "n1", address: "", port: 0, memoryMb: 1_000, cpus: 1_000 };
const MINUTE = fixedKeepAlive("a minute", { keepAliveMs: 60_000, lookEveryMs: 0 });
const SHARING: Policy = { ...MINUTE, sharesStarts: true };

const setUp = (
  settings: Partial<SchedulerSettings> = {},
  policy: Policy = SHARING,
  node: typeof NODE | null = NODE,
) => {
  const effects = new RecordedEffects();
  const scheduler = new Scheduler<string>(policy, effects, settings);
  if (node !== null) scheduler.nodeReserved(node, 0);
  return { effects, scheduler };
};
const used = { executionMs: 1 };

describe("what was learned", () => {
  const afresh = (saved: SavedScheduler): Scheduler<string> =>
    new Scheduler<string>(forecast(), new RecordedEffects(), {}, saved);
  const learned = (): SavedScheduler => {
    const { scheduler } = setUp({}, forecast());
    for (const key of ["f", "g"]) {
      scheduler.acquire(scheduler.declare({ key, memoryMb: 100 }, 0), key, Infinity, 1);
    }
    return JSON.parse(JSON.stringify(scheduler.save())) as SavedScheduler;
  };

  test("of functions that nobody has called since is saved again", () => {
    const saved = learned();
    const scheduler = afresh(saved);
    scheduler.declare({ key: "g", memoryMb: 100 }, 0);
    expect(Object.keys(scheduler.save().functions).toSorted()).toEqual(["f", "g"]);
    expect(scheduler.save().functions["f"]).toEqual(saved.functions["f"]);
    const functions = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`f${at}`, saved.functions["f"]!]));
    expect(Object.keys(afresh({ ...saved, functions }).save().functions)).toHaveLength(4_096);
  });

  test("is learned anew where it cannot be read", () => {
    const saved = learned();
    const functions = { f: { policy: null, need: "much" }, g: null } as unknown as SavedScheduler["functions"];
    const scheduler = afresh({ ...saved, functions });
    for (const key of ["f", "g"]) expect(scheduler.declare({ key, memoryMb: 100 }, 0).need.memoryMb).toBe(100);
  });
});

describe("instances", () => {
  test("the most recently used idle one is taken first", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    scheduler.acquire(pool, "a", Infinity, 1);
    scheduler.acquire(pool, "b", Infinity, 1);
    const [first, second] = effects.starting;
    scheduler.instanceStarted(first!, 2);
    scheduler.instanceStarted(second!, 2);
    scheduler.release(second!, used, 3);
    scheduler.release(first!, used, 4);
    scheduler.acquire(pool, "c", Infinity, 5);
    expect(effects.grants.get("c")).toBe(first);
  });

  test("one that holds another call does not rest, though each that waits has a start of its own under way", () => {
    const { effects, scheduler } = setUp({}, MINUTE);
    const pool = scheduler.declare({ key: "f", memoryMb: 100, concurrency: 2 }, 0);
    for (const ticket of ["a", "b"]) scheduler.acquire(pool, ticket, Infinity, 1);
    const [first] = effects.starting;
    scheduler.instanceStarted(first!, 2);
    expect([first!.running, pool.starting]).toEqual([2, 1]);
    scheduler.release(first!, used, 3);
    expect([first!.state, first!.running]).toEqual(["busy", 1]);
    scheduler.acquire(pool, "c", Infinity, 4);
    expect(effects.grants.get("c")).toBe(first);
    for (let calls = 0; calls < 2; calls++) scheduler.release(first!, used, 5);
    expect(first!.state).toBe("idle");
  });

  test("those on the node that came first are taken first, so that later nodes can be drained", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 600 }, 0);
    scheduler.nodeReserved({ ...NODE, id: "n2" }, 0);
    for (const ticket of ["a", "b"]) scheduler.acquire(pool, ticket, Infinity, 1);
    const [first, second] = effects.starting;
    expect([first!.node.id, second!.node.id].toSorted()).toEqual(["n1", "n2"]);
    for (const one of [first!, second!]) scheduler.instanceStarted(one, 2);
    const onFirst = first!.node.id === "n1" ? first! : second!;
    scheduler.release(onFirst, used, 3);
    scheduler.release(onFirst === first ? second! : first!, used, 4);
    scheduler.acquire(pool, "c", Infinity, 5);
    expect(effects.grants.get("c")).toBe(onFirst);
  });

  test("a function that is allowed fewer has idle ones end, those first that rest longest, and starts no more until it is allowed more", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 100, instancesMax: 5 }, 0);
    for (const ticket of ["a", "b", "c"]) scheduler.acquire(pool, ticket, Infinity, 1);
    const [first, second, third] = effects.starting;
    for (const one of [first!, second!, third!]) scheduler.instanceStarted(one, 2);
    scheduler.release(second!, used, 3);
    scheduler.release(first!, used, 4);
    scheduler.allow(pool, 2, 5);
    expect(effects.stopping).toEqual([second]);
    scheduler.acquire(pool, "d", Infinity, 6);
    scheduler.acquire(pool, "e", Infinity, 6);
    expect(effects.grants.get("d")).toBe(first);
    expect([effects.starting.length, pool.waiting]).toEqual([3, 1]);
    scheduler.allow(pool, 9, 7);
    expect([effects.starting.length, pool.instancesMax]).toEqual([4, 5]);
  });

  test("what is busy or starting beyond what its function is allowed ends when it comes free, and what is left serves those that wait", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    for (const ticket of ["a", "b", "c"]) scheduler.acquire(pool, ticket, Infinity, 1);
    const [first, second, third] = effects.starting;
    for (const one of [first!, second!]) scheduler.instanceStarted(one, 2);
    scheduler.allow(pool, 1, 3);
    expect(effects.stopping).toEqual([third]);
    expect(pool.isHeldBack).toBe(false);
    scheduler.acquire(pool, "d", Infinity, 4);
    expect(pool.isHeldBack).toBe(true);
    scheduler.release(first!, used, 5);
    expect(effects.stopping).toEqual([third, first]);
    scheduler.release(second!, used, 6);
    expect(effects.grants.get("c")).toBe(second);
    expect(pool).toMatchObject({ live: 1, surplus: 0, waiting: 1 });
    check(scheduler);
  });

  test("a function is always allowed those that are reserved, and as many as it is configured with when it is declared again", () => {
    const { effects, scheduler } = setUp();
    const config = { key: "f", memoryMb: 100, instancesMax: 5, reservedInstances: 2 };
    const pool = scheduler.declare(config, 0);
    for (const one of effects.starting) scheduler.instanceStarted(one, 1);
    scheduler.allow(pool, 0, 2);
    expect([pool.instancesMax, effects.stopping.length]).toEqual([2, 0]);
    scheduler.declare(config, 3);
    expect(pool.instancesMax).toBe(5);
  });

  test("a call that waits for its start takes an instance that is free earlier, and the start serves the next", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    scheduler.acquire(pool, "a", Infinity, 1);
    scheduler.instanceStarted(effects.starting[0]!, 2);
    scheduler.acquire(pool, "b", Infinity, 3);
    scheduler.acquire(pool, "c", Infinity, 3);
    scheduler.release(effects.starting[0]!, used, 4);
    expect(effects.grants.get("b")).toBe(effects.starting[0]);
    scheduler.instanceStarted(effects.starting[1]!, 5);
    expect(effects.grants.get("c")).toBe(effects.starting[1]);
  });

  test("one takes as many calls at once as its function allows", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 100, concurrency: 2 }, 0);
    scheduler.acquire(pool, "a", Infinity, 1);
    scheduler.instanceStarted(effects.starting[0]!, 2);
    scheduler.acquire(pool, "b", Infinity, 3);
    scheduler.acquire(pool, "c", Infinity, 3);
    expect(effects.grants.get("b")).toBe(effects.starting[0]);
    expect(effects.grants.has("c")).toBe(false);
  });

  test("an idle one ends when its keep-alive is over, reserved ones stay", () => {
    const { effects, scheduler } = setUp();
    scheduler.declare({ key: "f", memoryMb: 100, reservedInstances: 1 }, 0);
    scheduler.instanceStarted(effects.starting[0]!, 1);
    const pool = scheduler.pool("f");
    scheduler.acquire(pool, "a", Infinity, 1);
    scheduler.acquire(pool, "b", Infinity, 1);
    scheduler.instanceStarted(effects.starting[1]!, 2);
    for (const instance of effects.starting) scheduler.release(instance, used, 3);
    scheduler.tick(scheduler.nextWakeMs());
    expect(scheduler.counts).toMatchObject({ idle: 1, draining: 1 });
    expect(effects.stopReasons).toEqual(["idle for long"]);
  });

  test("there are never more than the function may have", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10, instancesMax: 2 }, 0);
    for (const ticket of ["a", "b", "c"]) scheduler.acquire(pool, ticket, Infinity, 1);
    expect(effects.starting).toHaveLength(2);
  });

  test("what is returned twice, or is gone, is refused by code", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    scheduler.acquire(pool, "a", Infinity, 1);
    const [instance] = effects.starting;
    scheduler.instanceStarted(instance!, 2);
    scheduler.release(instance!, used, 3);
    expect(() => scheduler.release(instance!, used, 4)).toThrow(expect.objectContaining({ code: "INSTANCE_NOT_HELD" }));
    expect(() => scheduler.instance("i99")).toThrow(expect.objectContaining({ code: "INSTANCE_NOT_FOUND" }));
    expect(() => scheduler.pool("g")).toThrow(expect.objectContaining({ code: "FUNCTION_NOT_FOUND" }));
    expect(() => scheduler.node("n9")).toThrow(expect.objectContaining({ code: "NODE_NOT_FOUND" }));
  });

  test("memory that cannot be is refused", () => {
    const { scheduler } = setUp();
    for (const memoryMb of [0, -1, NaN, Infinity]) {
      expect(() => scheduler.declare({ key: "f", memoryMb }, 0)).toThrow(
        expect.objectContaining({ code: "REQUEST_INVALID" }),
      );
    }
  });

  test("one that cannot start is tried again after a pause that grows", () => {
    const { effects, scheduler } = setUp({ coolDownMs: 100 });
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    scheduler.instanceFailed(effects.starting[0]!, "no image", 10);
    expect(scheduler.nextWakeMs()).toBe(110);
    scheduler.tick(110);
    scheduler.instanceFailed(effects.starting[1]!, "no image", 120);
    expect(scheduler.nextWakeMs()).toBe(320);
    scheduler.tick(320);
    scheduler.instanceStarted(effects.starting[2]!, 330);
    expect(effects.grants.has("a")).toBe(true);
  });

  test("one that is broken is ended, and another started for those that wait", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    scheduler.instanceStarted(effects.starting[0]!, 1);
    scheduler.release(effects.starting[0]!, { executionMs: 1, isBroken: true }, 2);
    expect(effects.stopReasons).toEqual(["unhealthy"]);
    scheduler.acquire(pool, "b", Infinity, 3);
    expect(effects.starting).toHaveLength(2);
  });

  test("one that is broken is not replaced where its function was taken away", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10, reservedInstances: 1 }, 0);
    const [instance] = effects.starting;
    scheduler.instanceStarted(instance!, 1);
    scheduler.acquire(pool, "a", Infinity, 2);
    scheduler.remove("f", 3);
    scheduler.release(instance!, { executionMs: 1, isBroken: true }, 4);
    expect(effects.stopping).toEqual([instance]);
    expect(effects.starting).toHaveLength(1);
  });

  test("after a restart those of before are taken over, and new ones have other names", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    const before = scheduler.adopt("i7", "f", "n1", 0);
    scheduler.acquire(pool, "a", Infinity, 1);
    scheduler.acquire(pool, "b", Infinity, 1);
    expect(effects.grants.get("a")).toBe(before);
    expect(effects.starting[0]!.id).toBe("i8");
    expect(scheduler.instance("i7")).toBe(before);
  });
});

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
    scheduler.nodeReserved(NODE, 2);
    expect(effects.starting).toHaveLength(0);
    expect(scheduler.counts).toMatchObject({ waiting: 0, unplaced: 0 });
  });

  test("a clock that goes back, or leaps, breaks nothing", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 1_000);
    scheduler.acquire(pool, "a", 5_000, 1_000);
    scheduler.instanceStarted(effects.starting[0]!, 10);
    scheduler.release(effects.starting[0]!, used, 5);
    scheduler.acquire(pool, "b", 2_000, 1e15);
    expect(scheduler.counts).toMatchObject({ busy: 1, waiting: 0 });
  });
});

describe("nodes", () => {
  test("misses at the same time share the node that is on its way", () => {
    const { effects, scheduler } = setUp({ nodesMax: 20, nodeSize: { memoryMb: 1_000, cpus: 2 } }, SHARING, null);
    for (let index = 0; index < 10; index++) {
      scheduler.acquire(scheduler.declare({ key: `f${index}`, memoryMb: 100 }, 0), `${index}`, Infinity, 0);
    }
    expect(effects.reservations).toBe(1);
    scheduler.nodeReserved(NODE, 5);
    expect(effects.starting).toHaveLength(10);
  });

  test("idle instances of others make room where no node can be had, the least worth first", () => {
    const { effects, scheduler } = setUp({}, SHARING, { ...NODE, memoryMb: 300 });
    for (const key of ["f", "g", "h"]) {
      scheduler.acquire(scheduler.declare({ key, memoryMb: 100 }, 0), key, Infinity, 0);
    }
    effects.starting.forEach((instance, index) => scheduler.instanceStarted(instance, 1 + index));
    effects.starting.forEach((instance, index) => scheduler.release(instance, used, 10 + index));
    scheduler.acquire(scheduler.declare({ key: "k", memoryMb: 150 }, 20), "k", Infinity, 20);
    expect(effects.stopping.map(({ pool }) => pool.config.key)).toEqual(["f", "g"]);
    for (const instance of effects.stopping) scheduler.instanceGone(instance, 21);
    expect(effects.starting.at(-1)!.pool.config.key).toBe("k");
  });

  test("a lost node takes its instances along, and what waits is started elsewhere", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 600 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    scheduler.acquire(pool, "b", Infinity, 0);
    scheduler.instanceStarted(effects.starting[0]!, 1);
    scheduler.nodeLost("n1", "no answer", 2);
    scheduler.nodeReserved({ ...NODE, id: "n2" }, 3);
    expect(effects.starting.at(-1)!.node.id).toBe("n2");
    scheduler.release(effects.starting[0]!, used, 4);
    expect(scheduler.counts.busy).toBe(0);
  });

  test("a node that drains is released when its last call has ended", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 600 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    const [instance] = effects.starting;
    scheduler.instanceStarted(instance!, 1);
    scheduler.drainNode("n1", 2);
    expect(effects.stopping).toEqual([]);
    scheduler.release(instance!, used, 3);
    scheduler.instanceGone(effects.stopping[0]!, 4);
    expect(effects.released).toEqual(["n1"]);
  });

  test("an empty node is released after a while, the least that are kept are not", () => {
    const { effects, scheduler } = setUp({ nodesMax: 20, nodeIdleMs: 100, nodesMin: 1 });
    scheduler.nodeReserved({ ...NODE, id: "n2" }, 0);
    scheduler.tick(100);
    expect(effects.released).toHaveLength(1);
    scheduler.tick(300);
    expect(scheduler.fleet.nodes.size).toBe(1);
  });

  test("what others use of a node is not promised to anyone, what was promised stays", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 300 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    scheduler.nodeStats("n1", { availableMemoryMb: 400, instancesMemoryMb: 100 }, 1);
    expect(scheduler.node("n1").freeMb).toBe(200);
    scheduler.acquire(pool, "b", Infinity, 2);
    expect(effects.starting).toHaveLength(1);
    scheduler.nodeStats("n1", { availableMemoryMb: 900, instancesMemoryMb: 100 }, 3);
    expect(effects.starting).toHaveLength(2);
  });

  test("a node without a bound has room for whatever it and its instances tell of themselves", () => {
    const { effects, scheduler } = setUp({}, SHARING, { ...NODE, memoryMb: Infinity, cpus: Infinity });
    const pool = scheduler.declare({ key: "f", memoryMb: 300 }, 0);
    const instance = scheduler.adopt("x1", "f", "n1", 0);
    scheduler.nodeStats("n1", { availableMemoryMb: 400, instancesMemoryMb: 100 }, 1);
    scheduler.instanceUses(instance, { memoryMb: 500, cpus: 3 }, 2);
    expect(instance).toMatchObject({ memoryMb: 500, cpus: 3 });
    expect(scheduler.node("n1")).toMatchObject({ freeMb: Infinity, freeCpus: Infinity });
    for (const ticket of ["a", "b"]) scheduler.acquire(pool, ticket, Infinity, 3);
    expect([effects.grants.get("a"), effects.starting.length]).toEqual([instance, 1]);
  });

  test("instances are packed by what they were seen to use, and as configured after one lacked memory", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 500 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    const [instance] = effects.starting;
    scheduler.instanceStarted(instance!, 1);
    for (let call = 0; call < 10; call++) {
      scheduler.release(instance!, { executionMs: 1, memoryMb: 40, cpus: 0.01 }, 2);
      scheduler.acquire(pool, `a${call}`, Infinity, 2);
    }
    scheduler.acquire(pool, "b", Infinity, 3);
    expect(effects.starting[1]!.memoryMb).toBe(51);
    scheduler.release(instance!, { executionMs: 1, lackedMemory: true }, 4);
    expect(pool.need.memoryMb).toBe(500);
  });
});

test("instances that were reserved and are no more end by the policy", () => {
  const { effects, scheduler } = setUp();
  const config = { key: "f", memoryMb: 100 };
  scheduler.declare({ ...config, reservedInstances: 2 }, 0);
  for (const instance of effects.starting) scheduler.instanceStarted(instance, 1);
  scheduler.tick(1e9);
  expect(scheduler.counts.idle).toBe(2);
  scheduler.declare({ ...config, reservedInstances: 1 }, 1e9);
  scheduler.tick(1e9 + 60_001);
  expect(scheduler.counts).toMatchObject({ idle: 1, draining: 1 });
});

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
    scheduler.acquire(pool, "a", Infinity, 2);
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
    scheduler.acquire(pool, "a", Infinity, 2, holder);
    expect(effects.ended).toEqual([]);
    scheduler.acquire(pool, "b", Infinity, 3, scheduler.nodeReserved({ ...NODE, id: "n2", memoryMb: 100 }, 2));
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

describe("growth", () => {
  const OTHER = { ...NODE, id: "n2" };

  test("takes what is free, else starts where CPU is to spare, and nothing where somebody would lose by it", () => {
    const { effects, scheduler } = setUp({}, SHARING, { ...NODE, cpus: 2 });
    const pool = scheduler.declare({ key: "f", memoryMb: 512 }, 0);
    scheduler.lend(scheduler.adopt("x1", "f", "n1", 0), "n1", 60_000, 0);
    scheduler.nodeReserved({ ...OTHER, cpus: 2 }, 0);
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
    const near = scheduler.nodeReserved(OTHER, 0);
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

  test("a promise follows what an instance uses, and leaves a quarter of its node's CPUs to others", () => {
    const { scheduler } = setUp({}, SHARING, { ...NODE, cpus: 2 });
    scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    const instance = scheduler.adopt("x1", "f", "n1", 0);
    scheduler.instanceUses(instance, { memoryMb: 130, cpus: 1 }, 1);
    expect(instance).toMatchObject({ memoryMb: 130, cpus: 1 });
    scheduler.instanceUses(instance, { memoryMb: 130, cpus: 2 }, 2);
    expect(instance.cpus).toBe(1.5);
    for (let look = 0; look < 20; look++) scheduler.instanceUses(instance, { memoryMb: 10, cpus: 0.1 }, 3 + look);
    expect(instance.cpus).toBeLessThan(0.2);
    check(scheduler);
  });

  test("one that outgrows its node is replaced on another with room, one at a time", () => {
    const { effects, scheduler } = setUp();
    scheduler.declare({ key: "f", memoryMb: 500 }, 0);
    const [first, second] = ["x1", "x2"].map((id) => scheduler.adopt(id, "f", "n1", 0));
    scheduler.nodeReserved(OTHER, 0);
    const lease = scheduler.lend(first!, "n1", 60_000, 0);
    scheduler.instanceUses(first!, { memoryMb: 700 }, 1);
    scheduler.instanceUses(second!, { memoryMb: 700 }, 1);
    expect(effects.starting.map(({ node, memoryMb }) => [node.id, memoryMb])).toEqual([["n2", 700]]);
    expect(lease.revoked).toBe(false);
    scheduler.instanceStarted(effects.starting[0]!, 2);
    expect(lease.revoked).toBe(true);
    scheduler.returnLease(lease, 3);
    expect(effects.stopping).toEqual([first]);
    expect(effects.stopReasons).toEqual(["outgrew its node"]);
    check(scheduler);
  });
});

describe("whatever happens", () => {
  const step = record({
    what: constantFrom(
      "acquire",
      "acquire",
      "acquire",
      "release",
      "release",
      "started",
      "started",
      "failed",
      "gone",
      "cancel",
      "tick",
      "lost",
      "node",
      "stats",
      "drain",
      "lease",
      "grow",
      "uses",
      "return",
      "unhealthy",
      "allow",
    ),
    which: integer({ min: 0, max: 1_000 }),
    passMs: integer({ min: 0, max: 5_000 }),
  });

  for (const [name, makePolicy] of [
    ["fixed", () => MINUTE],
    ["forecast", () => forecast()],
  ] as const) {
    test(`no node is promised more than it offers, counts are what instances are, nothing leaks (${name})`, () => {
      assert(
        property(array(step, { maxLength: 120 }), (steps) => {
          const effects = new RecordedEffects();
          const settings = { nodesMax: 3, waitingMax: 20, nodeSize: { memoryMb: 1_000, cpus: 2 } };
          const scheduler = new Scheduler<string>(makePolicy(), effects, settings);
          const pools = [100, 300, 700].map((memoryMb) =>
            scheduler.declare(
              { key: `f${memoryMb}`, memoryMb, instancesMax: 6, concurrency: memoryMb === 300 ? 2 : 1 },
              0,
            ),
          );
          let now = 0;
          let tickets = 0;
          const pick = <T>(from: Iterable<T>, which: number): T | undefined => {
            const all = [...from];
            return all[which % all.length];
          };
          for (const { what, which, passMs } of steps) {
            now += passMs;
            const instance = pick(scheduler.instances(), which);
            const node = pick(scheduler.fleet.nodes.values(), which);
            const busy = pick(
              [...scheduler.instances()].filter((one) => one.running > 0 && one.lease === null),
              which,
            );
            const starting = pick(
              [...scheduler.instances()].filter((one) => one.state === "starting"),
              which,
            );
            const leased = pick(
              [...scheduler.instances()].filter((one) => one.lease !== null),
              which,
            );
            if (what === "acquire") scheduler.acquire(pools[which % 3]!, `t${tickets++}`, now + which * 10, now);
            else if (what === "release" && busy !== undefined) scheduler.release(busy, { executionMs: which }, now);
            else if (what === "started" && starting !== undefined) scheduler.instanceStarted(starting, now);
            else if (what === "failed" && starting !== undefined) scheduler.instanceFailed(starting, "test", now);
            else if (what === "unhealthy" && instance !== undefined) scheduler.instanceUnhealthy(instance, "test", now);
            else if (what === "gone" && effects.stopping.length > 0)
              scheduler.instanceGone(effects.stopping.shift()!, now);
            else if (what === "gone" && instance !== undefined) scheduler.instanceGone(instance, now);
            else if (what === "cancel") scheduler.cancel(`t${which % Math.max(1, tickets)}`, now);
            else if (what === "tick") scheduler.tick(now);
            else if (what === "lost" && node !== undefined) scheduler.nodeLost(node.id, "test", now);
            else if (what === "drain" && node !== undefined) scheduler.drainNode(node.id, now);
            else if (what === "node") scheduler.nodeReserved({ ...NODE, id: `n${now}-${tickets++}`, cpus: 2 }, now);
            else if (what === "stats" && node !== undefined)
              scheduler.nodeStats(node.id, { availableMemoryMb: which, instancesMemoryMb: 0 }, now);
            else if (what === "lease" && instance?.state === "idle") scheduler.lend(instance, "n", which, now);
            else if (what === "grow") scheduler.grow(pools[which % 3]!, `t${tickets++}`, now + which * 10, now);
            else if (what === "uses" && instance !== undefined)
              scheduler.instanceUses(instance, { memoryMb: which, cpus: which / 300 }, now);
            else if (what === "allow") scheduler.allow(pools[which % 3]!, which % 8, now);
            else if (what === "return" && leased !== undefined) scheduler.returnLease(leased.lease!, now);
            check(scheduler);
          }
          const answered = effects.grants.size + effects.refusals.size;
          expect(tickets).toBeGreaterThanOrEqual(answered);
        }),
        { numRuns: 300 },
      );
    });
  }
});

function check(scheduler: Scheduler<string>): void {
  const counted = { starting: 0, idle: 0, draining: 0 };
  const promised = new Map<string, number>();
  for (const instance of scheduler.instances()) {
    if (instance.state !== "busy" && instance.state !== "gone") counted[instance.state]++;
    const { id } = instance.node;
    promised.set(id, (promised.get(id) ?? 0) + instance.memoryMb);
    expect(instance.state === "idle" ? instance.running : 0).toBe(0);
  }
  expect(scheduler.counts).toMatchObject(counted);
  let waiting = 0;
  for (const pool of scheduler.functions()) {
    waiting += pool.waiting;
    expect(pool.live).toBeLessThanOrEqual(pool.config.instancesMax);
    expect(scheduler.policy.sharesStarts && pool.waiting > 0 ? pool.idle : 0).toBe(0);
  }
  expect(scheduler.counts.waiting).toBe(waiting);
  for (const node of scheduler.fleet.nodes.values()) {
    expect(node.freeMb).toBeGreaterThanOrEqual(0);
    expect(node.freeCpus).toBeGreaterThanOrEqual(0);
    expect(node.promised.memoryMb).toBeCloseTo(promised.get(node.id) ?? 0);
    expect(node.promised.memoryMb).toBeLessThanOrEqual(node.description.memoryMb + 1e-6);
    expect(node.promised.cpus).toBeLessThanOrEqual(node.description.cpus + 1e-6);
  }
}
