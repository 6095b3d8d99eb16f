import { describe, expect, test } from "vitest";

import { KeepAliveFunction } from "../policy/keep-alive-function.ts";
import type { WarmPlan } from "../policy/policy.ts";
import { check, NODE, overheard, setUp, SHARING, used } from "../scheduler-fixture.ts";
import { CONTEST_NODE } from "../settings.ts";

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
    scheduler.nodeCame({ ...NODE, id: "n2" }, 3);
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

  test("where empty nodes go at once, the least that are kept stay until another one has come", () => {
    const settings = { nodesMax: 20, nodeIdleMs: 0, nodesMin: 1 };
    const { effects, scheduler } = setUp(settings, SHARING, { ...NODE, cpus: 0.01 });
    scheduler.tick(0);
    scheduler.tick(10_000);
    expect([effects.released, scheduler.fleet.nodes.size]).toEqual([[], 1]);
    // There are not CPUs enough for it.
    scheduler.acquire(scheduler.declare({ key: "f", memoryMb: 100 }, 10_000), "a", Infinity, 10_000);
    scheduler.nodeReserved({ ...NODE, id: "n2" }, 10_000);
    expect(effects.starting.map(({ node }) => node.id)).toEqual(["n2"]);
    scheduler.tick(20_000);
    expect(effects.released).toEqual(["n1"]);
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

  test.each([
    ["on a node each, that were seen to use most of their CPU", { cpus: 1 }, ["n1", "n2"]],
    ["where they fit best, whose use of CPU is not known", {}, ["n1", "n1"]],
  ])("instances of two functions are %s", (_what, seen, nodes) => {
    const memoryMb = CONTEST_NODE.memoryMb / 2;
    const { effects, scheduler } = setUp({}, SHARING, { ...NODE, ...CONTEST_NODE });
    const pools = ["f", "g"].map((key) => scheduler.declare({ key, memoryMb }, 0));
    for (const pool of pools) {
      const { key } = pool.config;
      scheduler.acquire(pool, `${key} 0`, Infinity, 0);
      const instance = effects.starting.at(-1)!;
      scheduler.instanceStarted(instance, 1);
      for (let call = 1; call <= 10; call++) {
        scheduler.release(instance, { executionMs: 1, memoryMb, ...seen }, 2);
        if (call < 10) scheduler.acquire(pool, `${key} ${call}`, Infinity, 2);
      }
    }
    scheduler.tick(100_000);
    for (const instance of effects.stopping) scheduler.instanceGone(instance, 100_001);
    // The first has just room for both, and the other would be left with most of what it has.
    const larger = { memoryMb: 4 * CONTEST_NODE.memoryMb, cpus: CONTEST_NODE.cpus };
    scheduler.nodeCame({ ...NODE, ...larger, id: "n2" }, 100_002);
    for (const pool of pools) scheduler.acquire(pool, `${pool.config.key} at last`, Infinity, 100_003);
    expect(effects.starting.slice(2).map(({ node }) => node.id)).toEqual(nodes);
  });
});

describe("nodes that are kept ahead", () => {
  const SIZE = { memoryMb: 1_000, cpus: 1_000 };

  test("are reserved when it begins, those that were there before included, and kept though nothing runs there", () => {
    const { effects, scheduler } = setUp({ nodesMax: 20, nodesMin: 3, nodesAhead: 1, nodeIdleMs: 100, nodeSize: SIZE });
    expect(effects.reservations).toBe(0);
    scheduler.begin(0);
    expect(effects.reservations).toBe(2);
    for (const id of ["n2", "n3"]) scheduler.nodeReserved({ ...NODE, id }, 1);
    scheduler.tick(1_000);
    expect([effects.reservations, effects.released]).toEqual([2, []]);
    scheduler.nodeLost("n3", "no answer", 1_001);
    expect(effects.reservations).toBe(3);
  });

  test("are on their way before anything misses, and misses at once wait for those", () => {
    const { effects, scheduler } = setUp({ nodesMax: 20, nodesAhead: 1, nodeSize: SIZE });
    scheduler.begin(0);
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    for (let call = 0; call < 10; call++) {
      scheduler.acquire(pool, `filling ${call}`, Infinity, 1);
      expect(effects.reservations).toBe(1);
    }
    expect([effects.starting.length, scheduler.node("n1").freeMb]).toEqual([10, 0]);
    for (let call = 0; call < 10; call++) scheduler.acquire(pool, `missing ${call}`, Infinity, 2);
    expect([effects.reservations, scheduler.counts.unplaced]).toEqual([1, 10]);
    scheduler.nodeReserved({ ...NODE, id: "n2" }, 3);
    expect([effects.reservations, effects.starting.length]).toEqual([2, 20]);
  });

  test("are used last, so that instances do not have one reserved after another", () => {
    const { effects, scheduler } = setUp({ nodesMax: 20, nodesAhead: 1, nodeSize: SIZE });
    scheduler.begin(0);
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    scheduler.acquire(pool, "a", Infinity, 1);
    scheduler.nodeReserved({ ...NODE, id: "n2" }, 2);
    for (let call = 0; call < 9; call++) scheduler.acquire(pool, `${call}`, Infinity, 3);
    expect(new Set(effects.starting.map(({ node }) => node.id))).toEqual(new Set(["n1"]));
    expect(effects.reservations).toBe(1);
    scheduler.acquire(pool, "b", Infinity, 4);
    expect([effects.starting.at(-1)!.node.id, effects.reservations]).toEqual(["n2", 2]);
  });

  test("are asked for again after half a minute where they are refused, and at once where a call needs one", () => {
    const { effects, scheduler } = setUp({ nodesMax: 20, nodesAhead: 1, nodeSize: SIZE }, SHARING, null);
    scheduler.begin(0);
    scheduler.nodeRefused("none is left", 1);
    scheduler.tick(30_000);
    expect(effects.reservations).toBe(1);
    scheduler.tick(30_001);
    expect(effects.reservations).toBe(2);
    scheduler.nodeRefused("none is left", 30_002);
    scheduler.acquire(scheduler.declare({ key: "f", memoryMb: 100 }, 0), "a", Infinity, 40_000);
    expect(effects.reservations).toBe(3);
  });
});

test("a start ahead that finds no room has a node reserved, and is made when that comes if it is still wanted", () => {
  const { effects, scheduler } = setUp({ nodesMax: 20, nodeSize: { memoryMb: 1_000, cpus: 1_000 } });
  const config = { key: "f", memoryMb: 600 };
  scheduler.declare({ ...config, reservedInstances: 2 }, 0);
  expect([effects.starting.length, effects.reservations]).toEqual([1, 1]);
  scheduler.declare({ key: "g", memoryMb: 300, reservedInstances: 2 }, 1);
  // One fits beside the first, the other beside the second.
  expect([effects.starting.length, effects.reservations]).toEqual([2, 1]);
  scheduler.declare({ ...config, reservedInstances: 1 }, 2);
  scheduler.nodeReserved({ ...NODE, id: "n2" }, 3);
  expect(effects.starting.map(({ node, pool }) => `${pool.config.key} ${node.id}`)).toEqual(["f n1", "g n1", "g n2"]);
  expect(effects.reservations).toBe(1);
});

/** One call, from 10 ms on, for so long. */
class Expecting extends KeepAliveFunction {
  readonly #untilMs: number;
  #planMs = 10;

  constructor(untilMs: number) {
    super();
    this.#untilMs = untilMs;
  }

  arrived(): void {}

  keepAliveMs(): number {
    return Infinity;
  }

  save(): null {
    return null;
  }

  override nextPlanMs(): number {
    return this.#planMs;
  }

  override plan(): WarmPlan {
    this.#planMs = Infinity;
    return { warm: 1, untilMs: this.#untilMs };
  }
}

test("what a policy expects has a node reserved as well, and no longer than it is expected", () => {
  for (const [untilMs, starts] of [
    [1_000, 1],
    [20, 0],
  ] as const) {
    const { effects, scheduler } = setUp({ nodesMax: 20 }, { ...SHARING, follow: () => new Expecting(untilMs) }, null);
    const pool = scheduler.declare({ key: "f", memoryMb: 100 }, 0);
    scheduler.tick(10);
    expect([effects.reservations, pool.lackingWarm]).toEqual([1, 1]);
    scheduler.nodeReserved(NODE, 20);
    expect([effects.starting.length, effects.reservations]).toEqual([starts, 1]);
  }
});

test("a node that is refused is asked for again after a pause, and meanwhile idle instances of others make room", () => {
  const { effects, scheduler } = setUp({ nodesMax: 20, nodeSize: { memoryMb: 1_000, cpus: 1_000 } });
  const [idle, wanted] = ["idle", "wanted"].map((key) => scheduler.declare({ key, memoryMb: 600 }, 0));
  scheduler.acquire(idle!, "a", Infinity, 0);
  scheduler.instanceStarted(effects.starting[0]!, 1);
  scheduler.release(effects.starting[0]!, used, 2);
  scheduler.acquire(wanted!, "b", Infinity, 3);
  expect([effects.reservations, effects.stopping]).toEqual([1, []]);
  scheduler.nodeRefused("none is left", 10);
  expect(effects.stopping).toEqual([effects.starting[0]]);
  scheduler.tick(1_009);
  expect(effects.reservations).toBe(1);
  scheduler.tick(1_010);
  scheduler.tick(1_500);
  expect(effects.reservations).toBe(2);
  scheduler.instanceGone(effects.stopping[0]!, 1_501);
  expect(effects.starting.at(-1)!.pool).toBe(wanted);
  // Nobody wants the one that is on its way any more, and no other is asked for.
  scheduler.nodeRefused("none is left", 1_502);
  scheduler.tick(60_000);
  expect(effects.reservations).toBe(2);
});

test("what takes the whole of a contest's node fits there, and six that take a sixth each", () => {
  for (const [memoryMb, count] of [
    [3_072, 1],
    [512, 6],
  ] as const) {
    const { effects, scheduler } = setUp({ nodesMax: 1 }, SHARING, { ...NODE, ...CONTEST_NODE });
    const pool = scheduler.declare({ key: "f", memoryMb }, 0);
    for (let call = 0; call < 10; call++) scheduler.acquire(pool, `${call}`, Infinity, 0);
    expect(effects.starting).toHaveLength(count);
  }
});

test("what no node can hold is refused as soon as that is known, and no more are reserved for it", () => {
  const size = { memoryMb: 1_000, cpus: 1_000 };
  const { policy, heard } = overheard(SHARING);
  const { effects, scheduler } = setUp({ nodesMax: 20, nodeSize: size }, policy, null);
  const pool = scheduler.declare({ key: "f", memoryMb: size.memoryMb + 1 }, 0);
  scheduler.acquire(pool, "first", Infinity, 0);
  const { reservations } = effects;
  scheduler.nodeReserved({ ...NODE, ...size }, 1);
  scheduler.acquire(pool, "later", Infinity, 2);
  expect([...effects.refusals]).toEqual([
    ["first", "NODES_EXHAUSTED"],
    ["later", "NODES_EXHAUSTED"],
  ]);
  expect(effects.reservations).toBe(reservations);
  expect(scheduler.counts).toMatchObject({ waiting: 0, unplaced: 0 });
  expect(heard.underWay).toBe(0);
  check(scheduler);
});

test("a node that comes by itself while one was asked for is not that one, and what was asked for goes back where it is one too many", () => {
  const { effects, scheduler } = setUp({ nodesMax: 2 }, SHARING, null);
  const pool = scheduler.declare({ key: "f", memoryMb: 900 }, 0);
  scheduler.acquire(pool, "a", Infinity, 0);
  expect(effects.reservations).toBe(1);
  scheduler.nodeCame({ ...NODE, id: "recovered" }, 1);
  for (let call = 0; call < 4; call++) scheduler.acquire(pool, `${call}`, Infinity, 2);
  expect(effects.reservations).toBe(1);
  scheduler.nodeCame({ ...NODE, id: "recovered too" }, 3);
  scheduler.nodeReserved({ ...NODE, id: "asked for" }, 4);
  expect([...scheduler.fleet.nodes.keys()]).toEqual(["recovered", "recovered too"]);
  expect(effects.released).toEqual(["asked for"]);
  check(scheduler);
});
