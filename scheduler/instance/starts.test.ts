import { describe, expect, test } from "vitest";

import { check, NODE, setUp } from "../scheduler-fixture.ts";
import type { FunctionPool } from "./function-pool.ts";

/** Functions on two nodes, one with twice the cores of the other, asked for by the larger one. */
const onTwoNodes = (cpus: readonly [number, number] = [8, 4]) => {
  const { effects, scheduler } = setUp({}, undefined, null);
  const size = { ...NODE, memoryMb: 12_288 };
  const [near] = cpus.map((count, index) => scheduler.nodeCame({ ...size, id: `n${index + 1}`, cpus: count }, 0));
  /** One CPU each; heavy: all of it is used, as far as was seen. */
  const declare = (key: string, isHeavy: boolean): FunctionPool => {
    const pool = scheduler.declare({ key, memoryMb: 1_536 }, 0);
    for (let call = 0; call < 10; call++) pool.need.executed(undefined, isHeavy ? 1 : 0.4);
    return pool;
  };
  const lend = (pool: FunctionPool): void => {
    const ticket = `${effects.starting.length}`;
    scheduler.acquireToLend(pool, ticket, Infinity, 1, near);
    const instance = effects.starting.at(-1)!;
    scheduler.instanceStarted(instance, 1);
    scheduler.lend(instance, "n1", 60_000, 1);
    check(scheduler);
  };
  const placed = (): readonly string[] => effects.starting.map(({ node }) => node.id);
  return { effects, scheduler, near: near!, declare, lend, placed };
};

describe("an instance that a node asks for", () => {
  test("starts there until there is one for each core, then where the most CPU is to spare", () => {
    const { declare, lend, placed } = onTwoNodes([2, 4]);
    const pool = declare("f", false);
    for (let times = 0; times < 4; times++) lend(pool);
    expect(placed()).toEqual(["n1", "n1", "n2", "n2"]);
  });

  test("starts, where it is heavy on the CPU, on the node that has the fewest of its kind for the cores it has", () => {
    const { scheduler, declare, lend, placed } = onTwoNodes();
    for (const key of ["f", "g", "h", "i", "j", "k"]) lend(declare(key, true));
    expect(placed().filter((id) => id === "n1")).toHaveLength(4);
    expect([scheduler.node("n1").heavyCpus, scheduler.node("n2").heavyCpus]).toEqual([4, 2]);
  });

  test("starts there, where it is heavy but uses little, until what is heavy there is more than a sixteenth of its cores", () => {
    const { scheduler, declare, lend, placed } = onTwoNodes();
    for (let index = 0; index < 7; index++) {
      const pool = scheduler.declare({ key: `${index}`, memoryMb: 153.6 }, 0);
      for (let call = 0; call < 10; call++) pool.need.executed(undefined, 0.1);
      lend(pool);
    }
    expect(placed()).toEqual(["n1", "n1", "n1", "n1", "n1", "n1", "n1"]);
    lend(declare("f", true));
    expect(placed().at(-1)).toBe("n1");
    lend(scheduler.pool("0"));
    expect(placed().at(-1)).toBe("n2");
  });

  test("is not kept away, where it is light, by those that are heavy", () => {
    const { declare, lend, placed } = onTwoNodes();
    lend(declare("f", true));
    lend(declare("g", false));
    expect(placed()).toEqual(["n1", "n1"]);
  });
});

test.each([
  ["heavy on the CPU starts where the fewest of its kind are", true, "n2"],
  ["not heavy starts where the most CPU is to spare", false, "n1"],
])("growth of what is %s", (_what, isHeavy, at) => {
  const { scheduler, declare, near, placed } = onTwoNodes();
  const pool = declare("f", isHeavy);
  for (const { config } of [pool, declare("g", true), declare("h", true)]) {
    scheduler.lend(scheduler.adopt(config.key, config.key, "n1", 0), "n1", 60_000, 0);
  }
  expect(near.freeCpus).toBeGreaterThan(scheduler.node("n2").freeCpus);
  expect(scheduler.grow(pool, "more", Infinity, 2, near)).toBe(true);
  expect(placed()).toEqual([at]);
});
