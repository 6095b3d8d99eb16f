import { expect, test } from "vitest";
import type { Call, Invoker } from "#compute/node/invoker.ts";
import { costOf, type Demand } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { errorOf, predict } from "./prediction.ts";

const WALK: Demand = { operations: 40, rounds: 4, bytes: 5_000, cpuUs: 300 };

interface Errors {
  readonly latency: number;
  readonly service: number;
}

/** Of calls that take on each side so many times what the model says, in the sandbox and on their way: how far the other one's prediction is off, by the side that it is of. */
async function errorsWhere(
  slowness: Readonly<Record<Side, number>>,
  way: Readonly<Record<Side, number>> = { compute: 1, storage: 1 },
): Promise<Readonly<Record<Side, Errors>>> {
  const made: Record<Side, number> = { compute: 0, storage: 0 };
  const invoke = async ({ side }: Call) => {
    made[side!] += 1;
    const { latencyUs, terms } = costOf(side!, WALK, DEFAULT_CONSTANTS);
    const { operations, rounds, bytes: bytesIn } = WALK;
    const wallUs = slowness[side!] * (latencyUs - terms.call);
    const usage = { ...NO_USAGE, operations, rounds, bytesIn, cpuUs: terms.cpu, wallUs };
    return { ok: true, usage, elapsedUs: wallUs + way[side!] * terms.call };
  };
  const options = { constants: DEFAULT_CONSTANTS, warmUpMs: 1, budgetMs: 4, callsMin: 64 };
  const predictions = await predict(
    { invoke } as unknown as Invoker,
    { function: "walk", calls: [{} as never] },
    options,
  );
  expect(Math.min(made.compute, made.storage)).toBeGreaterThanOrEqual(64);
  return Object.fromEntries(
    predictions.map(({ toSide, latency, service }) => [
      toSide,
      { latency: errorOf(latency), service: errorOf(service) },
    ]),
  ) as Record<Side, Errors>;
}

test("a side is predicted from the other one alone, and held against what calls took on it", async () => {
  const asModelled = await errorsWhere({ compute: 1, storage: 1 });
  expect(asModelled.compute.service).toBeLessThan(0.01);
  expect(asModelled.storage.service).toBeLessThan(0.01);
  const slow = await errorsWhere({ compute: 1, storage: 2 });
  expect(slow.compute.service).toBeLessThan(0.01);
  expect(slow.storage.service).toBeCloseTo(0.5, 1);
  const quick = await errorsWhere({ compute: 0.5, storage: 1 });
  expect(quick.compute.service).toBeCloseTo(1, 1);
  expect(quick.storage.service).toBeLessThan(0.01);
});

test("a prediction is of all that a caller waits for, which its way to the sandbox and back is a part of", async () => {
  const { compute, storage } = await errorsWhere({ compute: 1, storage: 1 }, { compute: 1, storage: 3 });
  expect(compute.latency).toBeLessThan(0.01);
  expect(storage.service).toBeLessThan(0.01);
  const { latencyUs, terms } = costOf("storage", WALK, DEFAULT_CONSTANTS);
  expect(storage.latency).toBeCloseTo(1 - latencyUs / (latencyUs + 2 * terms.call), 2);
});
