import { expect, test } from "vitest";

import { check, NODE, setUp, SHARING } from "../scheduler-fixture.ts";

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

test("one that is said to use more CPUs than its node has is not replaced for it", () => {
  const { effects, scheduler } = setUp({}, SHARING, { ...NODE, cpus: 2 });
  scheduler.declare({ key: "f", memoryMb: 100 }, 0);
  const instance = scheduler.adopt("x1", "f", "n1", 0);
  scheduler.nodeCame({ ...NODE, id: "n2" }, 0);
  scheduler.instanceUses(instance, { memoryMb: 100, cpus: 6 }, 1);
  expect([effects.starting, instance.cpus]).toEqual([[], 1.5]);
  check(scheduler);
});

test("one that outgrows its node is replaced on another with room, one at a time", () => {
  const { effects, scheduler } = setUp();
  scheduler.declare({ key: "f", memoryMb: 500 }, 0);
  const [first, second] = ["x1", "x2"].map((id) => scheduler.adopt(id, "f", "n1", 0));
  scheduler.nodeCame({ ...NODE, id: "n2" }, 0);
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

test("instances that were there before their functions were known to be heavy on the CPU count as such from then on, and no longer than these are", () => {
  const node = { ...NODE, memoryMb: 12_288, cpus: 8 };
  const { effects, scheduler } = setUp({}, SHARING, node);
  const [called, lent] = ["f", "g"].map((key) => scheduler.declare({ key, memoryMb: 1_536 }, 0));
  scheduler.acquire(called!, "0", Infinity, 0);
  scheduler.acquireToLend(lent!, "to lend", Infinity, 0);
  const [first, second] = effects.starting;
  for (const instance of [first!, second!]) scheduler.instanceStarted(instance, 1);
  scheduler.lend(second!, "n1", 1_000_000, 1);
  let calls = 0;
  const run = (times: number, cpus: number): void => {
    for (; times > 0; times--) {
      scheduler.release(first!, { executionMs: 1, cpus }, 2);
      scheduler.instanceUses(second!, { cpus }, 2);
      scheduler.acquire(called!, `${++calls}`, Infinity, 2);
    }
  };
  run(10, 1);
  expect(scheduler.node("n1").heavyCpus).toBe(2);
  check(scheduler);
  // Nothing but that speaks for the other one: it is as large, and what it has left is no more even.
  scheduler.nodeCame({ ...node, id: "n2" }, 3);
  scheduler.acquire(called!, "another", Infinity, 3);
  expect(effects.starting[2]!.node.id).toBe("n2");
  run(1_000, 0);
  expect(scheduler.node("n1").heavyCpus).toBeCloseTo(0);
  check(scheduler);
});
