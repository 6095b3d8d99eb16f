import { array, assert, constantFrom, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import type { FunctionPool } from "./instance/function-pool.ts";
import { forecast } from "./policy/forecast.ts";
import { RecordedEffects } from "./recorded-effects.ts";
import { check, MINUTE, NODE, overheard, setUp, SHARING, used } from "./scheduler-fixture.ts";
import { type SavedScheduler, Scheduler } from "./scheduler.ts";

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

  test("is saved of those first that were called last", () => {
    const scheduler = afresh(learned());
    const pools = ["g", "h", "i"].map((key) => scheduler.declare({ key, memoryMb: 100 }, 0));
    for (const [at, pool] of pools.toReversed().entries()) scheduler.acquire(pool, `t${at}`, Infinity, 1 + at);
    expect(Object.keys(scheduler.save().functions)).toEqual(["g", "h", "i", "f"]);
  });

  test("is learned anew where it cannot be read", () => {
    const saved = learned();
    const functions = { f: { policy: null, need: "much" }, g: null } as unknown as SavedScheduler["functions"];
    const scheduler = afresh({ ...saved, functions });
    for (const key of ["f", "g"]) expect(scheduler.declare({ key, memoryMb: 100 }, 0).need.memoryMb).toBe(100);
  });
});

test("an execution that is said to have run longer than it may, or than its instance was busy, is not learned from as that", () => {
  const learnedMs = (told: number, busyMs: number): number | undefined => {
    const { effects, scheduler } = setUp({}, forecast());
    const pool = scheduler.declare({ key: "f", memoryMb: 100, timeoutMs: 1_000 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    scheduler.instanceStarted(effects.starting[0]!, 10);
    scheduler.release(effects.starting[0]!, { executionMs: told }, 10 + busyMs);
    return (scheduler.save().common as { readonly executions: readonly number[] }).executions[1];
  };
  expect(learnedMs(900, 5_000)).toBe(900);
  expect(learnedMs(2 ** 53, 5_000)).toBe(1_000);
  expect(learnedMs(2 ** 53, 70)).toBe(70);
  // The clock went back meanwhile.
  expect(learnedMs(900, -5)).toBe(0);
});

describe("a clock", () => {
  /** An instance that is lent for 10 s, one that is busy, for which a call waits, and one that is idle, all since `atMs`. */
  const inUse = (scheduler: Scheduler<string>, effects: RecordedEffects, atMs: number) => {
    const [f, g, h] = ["f", "g", "h"].map((key) => scheduler.declare({ key, memoryMb: 10, instancesMax: 1 }, atMs));
    scheduler.acquireToLend(f!, "to lend", Infinity, atMs);
    scheduler.acquire(g!, "runs", Infinity, atMs);
    scheduler.acquire(h!, "has run", Infinity, atMs);
    const [lent, busy, idle] = effects.starting;
    for (const one of [lent!, busy!, idle!]) scheduler.instanceStarted(one, atMs);
    const lease = scheduler.lend(lent!, "n1", 10_000, atMs);
    scheduler.release(idle!, used, atMs);
    scheduler.acquire(g!, "waits", atMs + 5_000, atMs);
    return { h: h!, lease, lent: lent!, busy: busy!, idle: idle! };
  };

  test("that goes back stands still: what rests, is lent, or waits from then on does so since the latest time that was told", () => {
    const { policy, heard } = overheard(SHARING);
    const { effects, scheduler } = setUp({}, policy);
    const { h, lease, lent, busy, idle } = inUse(scheduler, effects, 1_000_000);
    scheduler.acquire(h, "back", Infinity, 200);
    scheduler.acquire(h, "waits as well", 1_005_000, 300);
    scheduler.renewLease(lease, 10_000, 400);
    scheduler.tick(500);
    expect(scheduler.counts).toMatchObject({ busy: 3, waiting: 2, refusals: 0, draining: 0 });
    // Each for 600 ms.
    scheduler.release(idle, used, 1_000_600);
    scheduler.release(busy, used, 1_000_600);
    expect(heard.waitedMs).toBe(2 * 600);
    scheduler.release(idle, used, 600);
    scheduler.tick(1_009_999);
    expect(effects.ended).toEqual([]);
    scheduler.tick(1_010_000);
    expect(effects.ended).toEqual(["expired"]);
    scheduler.tick(1_060_599);
    expect(effects.stopping).toEqual([lent]);
    scheduler.tick(1_060_600);
    expect(effects.stopping).toEqual([lent, idle]);
    check(scheduler);
  });

  test("that leaps ahead is believed: what is due by then is done once; and time goes on from there, also where the clock comes back", () => {
    const LEAP = 1e15;
    const { effects, scheduler } = setUp();
    const { h, lent, busy, idle } = inUse(scheduler, effects, 1_000);
    for (const nowMs of [LEAP, 2_000, LEAP]) scheduler.tick(nowMs);
    expect([...effects.refusals]).toEqual([["waits", "DEADLINE_EXCEEDED"]]);
    expect([effects.ended, effects.stopping]).toEqual([["expired"], [lent, idle]]);
    for (const one of [lent, idle]) scheduler.instanceGone(one, 3_000);
    scheduler.acquire(h, "later", LEAP + 1_000, 3_000);
    const later = effects.starting.at(-1)!;
    scheduler.instanceStarted(later, 4_000);
    for (const one of [later, busy]) scheduler.release(one, used, 5_000);
    scheduler.tick(1_000_000);
    expect(scheduler.counts).toMatchObject({ idle: 2, busy: 0, waiting: 0, draining: 0 });
    expect(scheduler.nextWakeMs()).toBe(LEAP + 60_000);
    scheduler.tick(LEAP + 60_000);
    expect(scheduler.counts).toMatchObject({ idle: 0, draining: 2 });
    check(scheduler);
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

  test("those on the node that came first are taken first, so that later nodes can be drained", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 600 }, 0);
    scheduler.nodeCame({ ...NODE, id: "n2" }, 0);
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

  test("a function that is declared with fewer than it has, or is found to have more, has the surplus end", () => {
    const { effects, scheduler } = setUp();
    const config = { key: "f", memoryMb: 100 };
    const pool = scheduler.declare(config, 0);
    for (const ticket of ["a", "b", "c", "d"]) scheduler.acquire(pool, ticket, Infinity, 1);
    const [idle, busy, starting, unseen] = effects.starting;
    for (const one of [idle!, busy!]) scheduler.instanceStarted(one, 2);
    scheduler.release(idle!, used, 3);
    expect(effects.grants.get("c")).toBe(idle);
    scheduler.release(idle!, used, 4);
    expect(effects.grants.get("d")).toBe(idle);
    scheduler.release(idle!, used, 5);
    scheduler.declare({ ...config, instancesMax: 1 }, 6);
    expect(effects.stopping).toEqual([idle, starting, unseen]);
    expect(pool).toMatchObject({ live: 1, surplus: 0 });
    scheduler.adopt("x1", "f", "n1", 7, 1_000);
    expect(effects.stopping.map(({ id }) => id).at(-1)).toBe("x1");
    scheduler.release(busy!, used, 8);
    expect(effects.stopping).toHaveLength(4);
    check(scheduler);
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
    const { effects, scheduler } = setUp();
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

  test("calls wait for no more starts than may fail in a row, nor for the next that fails; one that goes well is the first again", () => {
    const { effects, scheduler } = setUp({ startFailuresMax: 2 });
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    let now = 0;
    const wait = (ticket: string): void => scheduler.acquire(pool, ticket, Infinity, now);
    const starting = () => effects.starting.findLast(({ state }) => state === "starting")!;
    const pauseEnds = (): void => {
      if (pool.isCooling) scheduler.tick((now = scheduler.nextWakeMs()));
    };
    const failNext = (): void => {
      pauseEnds();
      scheduler.instanceFailed(starting(), "no image", (now += 1));
      check(scheduler);
    };
    wait("a");
    scheduler.instanceFailed(starting(), "no image", (now += 1));
    wait("b");
    expect(effects.refusals.size).toBe(0);
    failNext();
    expect([...effects.refusals]).toEqual([
      ["a", "INSTANCE_FAILED"],
      ["b", "INSTANCE_FAILED"],
    ]);
    expect(pool).toMatchObject({ waiting: 0, unplaced: 0 });
    wait("c");
    failNext();
    expect(effects.refusals.get("c")).toBe("INSTANCE_FAILED");
    wait("d");
    pauseEnds();
    scheduler.instanceStarted(starting(), (now += 1));
    expect(effects.grants.has("d")).toBe(true);
    wait("e");
    failNext();
    expect(pool.waiting).toBe(1);
  });

  test("calls wait on for an instance that is busy, however often starts fail, and no longer than there is one", () => {
    const { effects, scheduler } = setUp({ startFailuresMax: 1 });
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    const [busy] = effects.starting;
    scheduler.instanceStarted(busy!, 1);
    for (const ticket of ["b", "c"]) scheduler.acquire(pool, ticket, Infinity, 2);
    const starting = () => effects.starting.filter(({ state }) => state === "starting");
    const failAll = (now: number): void => {
      expect(starting()).not.toEqual([]);
      for (const instance of starting()) scheduler.instanceFailed(instance, "no slot", now);
      check(scheduler);
    };
    failAll(3);
    expect([effects.refusals.size, pool.waiting]).toEqual([0, 2]);
    scheduler.release(busy!, { executionMs: 1 }, 4);
    expect(effects.grants.get("b")).toBe(busy);
    scheduler.release(busy!, { executionMs: 1, isBroken: true }, 5);
    scheduler.tick(scheduler.nextWakeMs());
    failAll(scheduler.nextWakeMs());
    expect([...effects.refusals]).toEqual([["c", "INSTANCE_FAILED"]]);
  });

  test("whoever waits for a function that its node does not know is told so at once, as soon the next time, and waits on while an instance is busy", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    const unknown = new LocusError("FUNCTION_NOT_FOUND", "there is no function f");
    const starting = () => effects.starting.findLast(({ state }) => state === "starting")!;
    let now = 0;
    const pauseEnds = (): void => {
      if (pool.isCooling) scheduler.tick((now = scheduler.nextWakeMs()));
    };
    for (const ticket of ["a", "b", "c", "d"]) {
      scheduler.acquire(pool, ticket, Infinity, now);
      pauseEnds();
      scheduler.instanceFailed(starting(), unknown.message, now, unknown);
      check(scheduler);
      expect([effects.refusals.get(ticket), scheduler.nextWakeMs() - now]).toEqual(["FUNCTION_NOT_FOUND", 100]);
    }
    // It was deployed.
    scheduler.acquire(pool, "e", Infinity, now);
    pauseEnds();
    scheduler.instanceStarted(starting(), now);
    const busy = effects.grants.get("e")!;
    scheduler.acquire(pool, "f", Infinity, now);
    scheduler.instanceFailed(starting(), unknown.message, now, unknown);
    check(scheduler);
    expect([pool.waiting, effects.refusals.size]).toEqual([1, 4]);
    scheduler.release(busy, used, now);
    expect(effects.grants.get("f")).toBe(busy);
  });

  test("nobody is told that no start can go well while another is under way, which serves those that wait, or is the last to fail", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    const odd = new LocusError("REQUEST_INVALID", "no instance has so little memory here");
    for (const ticket of ["a", "b"]) scheduler.acquire(pool, ticket, Infinity, 0);
    const [first, second] = effects.starting;
    scheduler.instanceFailed(first!, odd.message, 1, odd);
    expect([pool.waiting, effects.refusals.size]).toEqual([2, 0]);
    scheduler.instanceStarted(second!, 2);
    check(scheduler);
    const instance = effects.grants.get("a")!;
    scheduler.release(instance, used, 3);
    scheduler.release(effects.grants.get("b")!, used, 4);
    const other = scheduler.declare({ key: "g", memoryMb: 10 }, 5);
    for (const ticket of ["c", "d"]) scheduler.acquire(other, ticket, Infinity, 5);
    for (const start of effects.starting.filter(({ state }) => state === "starting"))
      scheduler.instanceFailed(start, odd.message, 6, odd);
    check(scheduler);
    expect([effects.refusals.get("c"), effects.refusals.get("d")]).toEqual(["REQUEST_INVALID", "REQUEST_INVALID"]);
  });

  test.each([
    ["a start of its own", MINUTE],
    ["whatever is free first", SHARING],
  ])("a call whose start failed takes what is free, where calls wait for %s", (_, policy) => {
    for (const startFailuresMax of [1, Infinity]) {
      const { effects, scheduler } = setUp({ startFailuresMax }, policy);
      const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
      scheduler.acquire(pool, "a", Infinity, 0);
      const [first] = effects.starting;
      scheduler.instanceStarted(first!, 1);
      for (const ticket of ["b", "c"]) scheduler.acquire(pool, ticket, Infinity, 2);
      const failOne = (now: number): void => {
        scheduler.instanceFailed(
          effects.starting.find(({ state }) => state === "starting")!,
          "no slot",
          now,
        );
        check(scheduler);
      };
      scheduler.release(first!, used, 3);
      failOne(4);
      expect([effects.grants.get("b"), pool.waiting]).toEqual([first, 1]);
      scheduler.release(first!, used, 5);
      failOne(6);
      expect([effects.grants.get("c"), pool.waiting, effects.refusals.size]).toEqual([first, 0, 0]);
    }
  });

  test("one that starts on a node that drains by then ends, and another is started for those that wait", () => {
    const { effects, scheduler } = setUp({}, MINUTE);
    const pool = scheduler.declare({ key: "f", memoryMb: 10 }, 0);
    scheduler.acquire(pool, "a", Infinity, 0);
    scheduler.drainNode("n1", 1);
    scheduler.nodeCame({ ...NODE, id: "n2" }, 2);
    scheduler.instanceStarted(effects.starting[0]!, 3);
    expect(effects.stopReasons).toEqual(["node drains"]);
    scheduler.instanceStarted(effects.starting[1]!, 4);
    expect(effects.grants.get("a")!.node.id).toBe("n2");
    check(scheduler);
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

  test("a function whose instances break one after another is started again after a pause that grows, until a call has ended well", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10, instancesMax: 1 }, 0);
    for (const ticket of ["a", "b", "c", "d", "e", "f"]) scheduler.acquire(pool, ticket, Infinity, 0);
    const breakLast = (now: number): void => {
      scheduler.instanceStarted(effects.starting.at(-1)!, now);
      scheduler.release(effects.starting.at(-1)!, { executionMs: 1, isBroken: true }, now);
    };
    // Any may break once.
    breakLast(10);
    expect([effects.starting.length, pool.waiting]).toEqual([2, 5]);
    breakLast(20);
    scheduler.tick(119);
    expect(effects.starting).toHaveLength(2);
    scheduler.tick(120);
    expect(effects.starting).toHaveLength(3);
    breakLast(130);
    scheduler.tick(329);
    expect(effects.starting).toHaveLength(3);
    scheduler.tick(330);
    scheduler.instanceStarted(effects.starting.at(-1)!, 340);
    scheduler.release(effects.starting.at(-1)!, used, 341);
    expect(effects.grants.get("e")).toBe(effects.starting[3]);
    scheduler.release(effects.starting.at(-1)!, { executionMs: 1, lackedMemory: true }, 342);
    expect(effects.starting).toHaveLength(5);
    check(scheduler);
  });

  test("one that dies is replaced as one that broke is, and one that was told to end, or whose node is lost, is no death", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10, reservedInstances: 1 }, 0);
    const last = () => effects.starting.at(-1)!;
    scheduler.instanceStarted(last(), 1);
    scheduler.instanceGone(last(), 2);
    expect(effects.starting).toHaveLength(2);
    scheduler.instanceStarted(last(), 3);
    scheduler.nodeCame({ ...NODE, id: "n2" }, 4);
    scheduler.nodeLost("n1", "no answer", 5);
    expect(effects.starting).toHaveLength(3);
    scheduler.instanceStarted(last(), 6);
    scheduler.stop(last(), 7);
    scheduler.instanceGone(last(), 8);
    expect(pool.isCooling).toBe(false);
    scheduler.acquire(pool, "a", Infinity, 9);
    scheduler.instanceStarted(last(), 10);
    scheduler.instanceGone(last(), 11);
    expect([pool.isCooling, scheduler.nextWakeMs()]).toEqual([true, 111]);
  });

  test("calls that are told of twice on the same instance have not killed it", () => {
    const { effects, scheduler } = setUp();
    const pool = scheduler.declare({ key: "f", memoryMb: 10, reservedInstances: 1 }, 0);
    const last = () => effects.starting.at(-1)!;
    const die = (now: number, looks: number): void => {
      scheduler.instanceStarted(last(), now);
      for (let look = 0; look < looks; look++) scheduler.instanceUses(last(), { memoryMb: 5 }, now);
      scheduler.instanceGone(last(), now);
    };
    die(1, 1);
    die(2, 2);
    expect(pool.isCooling).toBe(false);
    die(3, 1);
    expect(pool.isCooling).toBe(true);
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

describe("whatever happens", () => {
  const step = record({
    what: constantFrom(
      "acquire",
      "acquire",
      "acquire",
      "acquire to lend",
      "acquire to lend",
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
      "lease",
      "grow",
      "uses",
      "return",
      "told",
      "wait",
      "broken",
      "reserved",
      "reserved",
      "refused",
      "allow",
      "stop",
      "declare",
      "remove",
    ),
    which: integer({ min: 0, max: 1_000 }),
    passMs: integer({ min: 0, max: 5_000 }),
  });

  for (const [name, makePolicy] of [
    ["fixed", () => MINUTE],
    ["forecast", () => forecast()],
  ] as const) {
    test(`no node is promised more than it offers, counts are what instances are, the policy hears of each call, nothing leaks (${name})`, () => {
      assert(
        property(array(step, { maxLength: 120, size: "max" }), (steps) => {
          const effects = new RecordedEffects();
          const nodeSize = { memoryMb: 1_000, cpus: 2 };
          const settings = { nodesMax: 3, nodesAhead: 1, waitingMax: 20, startFailuresMax: 3, nodeSize };
          const { policy, heard } = overheard(makePolicy());
          const scheduler = new Scheduler<string>(policy, effects, settings);
          /** Calls that have come, other than those to come for which something grows; and of which function. */
          const calls = new Map<string, number>();
          const awaited = (pool: FunctionPool): number =>
            pool.awaited.values().reduce((sum, waiting) => sum + waiting, 0);
          const areWaiting = (): string[] =>
            [...calls.keys()].filter((call) => !effects.grants.has(call) && !effects.refusals.has(call));
          let now = 0;
          let tickets = 0;
          let nodesAnswered = 0;
          scheduler.begin(0);
          const declare = (which: number, memoryMb: number): FunctionPool => {
            const pool = scheduler.declare({ key: `f${which}`, memoryMb, instancesMax: 6 }, now);
            // Heavy on the CPU, and since now, where it was there before.
            if (which === 2) for (let call = 0; call < 10; call++) pool.need.executed(undefined, 1);
            return pool;
          };
          const pools = [100, 300, 700].map((memoryMb, which) => declare(which, memoryMb));
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
            /** Idle, or granted to be lent. */
            const free = pick(
              [...scheduler.instances()].filter(
                ({ state, isToLend, lease }) => lease === null && (state === "idle" || (state === "busy" && isToLend)),
              ),
              which,
            );
            const leased = pick(
              [...scheduler.instances()].filter((one) => one.lease !== null),
              which,
            );
            const ticket = `t${tickets}`;
            /** Of our own nodes one asks; for others nobody. */
            const near = which % 4 === 0 ? null : (node ?? null);
            if (what === "acquire" || what === "acquire to lend" || what === "grow") tickets++;
            if (what === "acquire to lend") {
              scheduler.acquireToLend(pools[which % 3]!, ticket, now + which * 10, now, near);
            } else if (what === "acquire") {
              calls.set(ticket, which % 3);
              scheduler.acquire(pools[which % 3]!, ticket, now + which * 10, now);
            } else if (what === "release" && busy !== undefined) scheduler.release(busy, { executionMs: which }, now);
            else if (what === "started" && starting !== undefined) scheduler.instanceStarted(starting, now);
            else if (what === "failed" && starting !== undefined) scheduler.instanceFailed(starting, "test", now);
            else if (what === "broken" && busy !== undefined)
              scheduler.release(busy, { executionMs: which, isBroken: true }, now);
            else if (what === "refused") {
              nodesAnswered = Math.min(nodesAnswered + 1, effects.reservations);
              scheduler.nodeRefused("test", now);
            } else if (what === "reserved" && nodesAnswered < effects.reservations) {
              nodesAnswered++;
              scheduler.nodeReserved({ ...NODE, id: `r${nodesAnswered}`, cpus: 2 }, now);
            } else if (what === "stop" && instance !== undefined) scheduler.stop(instance, now);
            // As it was, or of another memory: of as much as a node has, and of more.
            else if (what === "declare") {
              const before = pools[which % 3]!;
              const heardOf = before.removed ? 0 : awaited(before);
              const after = declare(which % 3, which % 2 === 0 ? 300 : 50 + which);
              // Its policy hears nothing more: holders say anew who waits.
              if (after !== before) heard.underWay -= heardOf;
              pools[which % 3] = after;
            } else if (what === "remove" && !pools[which % 3]!.removed) {
              // Nobody hears any more what becomes of those that wait.
              heard.underWay -= areWaiting().filter((call) => calls.get(call) === which % 3).length;
              heard.underWay -= awaited(pools[which % 3]!);
              scheduler.remove(`f${which % 3}`, now);
            } else if (what === "gone" && effects.stopping.length > 0)
              scheduler.instanceGone(effects.stopping.shift()!, now);
            else if (what === "gone" && instance !== undefined) scheduler.instanceGone(instance, now);
            else if (what === "cancel") {
              const any = `t${which % Math.max(1, tickets)}`;
              if (scheduler.cancel(any, now)) calls.delete(any);
            } else if (what === "tick") scheduler.tick(now);
            else if (what === "lost" && node !== undefined) scheduler.nodeLost(node.id, "test", now);
            else if (what === "drain" && node !== undefined) scheduler.drainNode(node.id, now);
            else if (what === "node") scheduler.nodeCame({ ...NODE, id: `n${now}-${tickets++}`, cpus: 2 }, now);
            else if (what === "stats" && node !== undefined)
              scheduler.nodeStats(node.id, { availableMemoryMb: which, instancesMemoryMb: 0 }, now);
            else if (what === "lease" && free !== undefined) scheduler.lend(free, near?.id ?? "n", which * 10, now);
            else if (what === "grow") scheduler.grow(pools[which % 3]!, ticket, now + which * 10, now, near);
            else if (what === "uses" && instance !== undefined)
              scheduler.instanceUses(instance, { memoryMb: which, cpus: which / 300 }, now);
            else if (what === "allow") scheduler.allow(pools[which % 3]!, which % 8, now);
            else if (what === "wait" && !pools[which % 3]!.removed) {
              const pool = pools[which % 3]!;
              const holder = which % 2 === 0 ? "n" : "m";
              if (which % 5 === 0) scheduler.callsWait(pool, holder, which % 4, now);
              else
                scheduler.leasesUsed(
                  [],
                  [{ pool, holder, waiting: which % 4, left: which % 3, leftWaitMs: which }],
                  now,
                );
            } else if (what === "return" && leased !== undefined) scheduler.returnLease(leased.lease!, now);
            else if (what === "told" && leased !== undefined) {
              const ended = which % 5;
              const unusedSinceMs = which % 2 === 0 ? null : now - which / 2;
              const waitedMs = which / 3;
              const told = { ended, executionMs: ended * which, usedMs: which / 2, usedSinceMs: now - which, waitedMs };
              scheduler.leasesUsed([{ lease: leased.lease!, ...told, unusedSinceMs }], [], now);
            }
            check(scheduler);
            // Those of what is gone as well, whose callers have not said yet what became of them.
            const running = effects.starting.reduce(
              (sum, { lease, running: held, isToLend }) =>
                sum + (lease === null ? Number(held > 0 && !isToLend) : Number(lease.isUsed)),
              0,
            );
            const elsewhere = pools.reduce((sum, pool) => sum + (pool.removed ? 0 : awaited(pool)), 0);
            expect(heard.underWay).toBe(areWaiting().length + running + elsewhere);
          }
          const answered = effects.grants.size + effects.refusals.size;
          expect(tickets).toBeGreaterThanOrEqual(answered);
        }),
        { numRuns: 300 },
      );
    });
  }
});

test("a node with room is found where those full like it are more than are looked at, before anything ends", () => {
  const { effects, scheduler } = setUp({}, SHARING, null);
  const nodes = Array.from({ length: 12 }, (_, at) =>
    scheduler.nodeCame({ ...NODE, id: `n${at}`, memoryMb: 1_600 }, 0),
  );
  const large = scheduler.declare({ key: "large", memoryMb: 1_510 }, 0);
  const whole = scheduler.declare({ key: "whole", memoryMb: 1_600 }, 0);
  for (const [at] of nodes.entries()) {
    scheduler.acquire(at === 0 ? large : whole, `c${at}`, 60_000, at);
    scheduler.instanceStarted(effects.starting.at(-1)!, at);
  }
  for (const [at] of nodes.entries()) scheduler.release(effects.grants.get(`c${at}`)!, used, 20 + at);
  // All are as full, by the sixteenth: one of them has room for this.
  const small = scheduler.declare({ key: "small", memoryMb: 80 }, 40);
  scheduler.acquire(small, "small", 60_000, 40);
  expect(effects.stopping).toEqual([]);
  expect(effects.starting).toHaveLength(nodes.length + 1);
  expect(effects.starting.at(-1)!.node.freeMb).toBe(10);
  check(scheduler);
});
