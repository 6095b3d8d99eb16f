import { expect, test } from "vitest";
import type { Call, Invoker } from "#compute/node/invoker.ts";
import { costOf, type Demand } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { errorOf, predict } from "./prediction.ts";

const WALK: Demand = { operations: 40, rounds: 4, bytes: 5_000, cpuUs: 300 };

/** Of calls that take on each side so many times what the model says: how far the other one's prediction is off, by the side that it is of. */
async function errorsWhere(slowness: Readonly<Record<Side, number>>): Promise<Readonly<Record<string, number>>> {
  const made: Record<Side, number> = { compute: 0, storage: 0 };
  const invoke = async ({ side }: Call) => {
    made[side!] += 1;
    const { latencyUs, terms } = costOf(side!, WALK, DEFAULT_CONSTANTS);
    const { operations, rounds, bytes: bytesIn } = WALK;
    const wallUs = slowness[side!] * (latencyUs - terms.call);
    const usage = { ...NO_USAGE, operations, rounds, bytesIn, cpuUs: terms.cpu, wallUs };
    return { ok: true, usage, elapsedUs: wallUs + terms.call };
  };
  const options = { constants: DEFAULT_CONSTANTS, warmUpMs: 1, budgetMs: 4, callsMin: 64 };
  const predictions = await predict(
    { invoke } as unknown as Invoker,
    { function: "walk", calls: [{} as never] },
    options,
  );
  expect(Math.min(made.compute, made.storage)).toBeGreaterThanOrEqual(64);
  return Object.fromEntries(predictions.map((one) => [one.toSide, errorOf(one)]));
}

test("a side is predicted from the other one alone, and held against what calls took on it", async () => {
  const asModelled = await errorsWhere({ compute: 1, storage: 1 });
  expect(asModelled["compute"]).toBeLessThan(0.01);
  expect(asModelled["storage"]).toBeLessThan(0.01);
  const slow = await errorsWhere({ compute: 1, storage: 2 });
  expect(slow["compute"]).toBeLessThan(0.01);
  expect(slow["storage"]).toBeCloseTo(0.5, 1);
  const quick = await errorsWhere({ compute: 0.5, storage: 1 });
  expect(quick["compute"]).toBeCloseTo(1, 1);
  expect(quick["storage"]).toBeLessThan(0.01);
});
