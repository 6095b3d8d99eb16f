// LOCUS.CALL follows the plan as a node does: the follower in C++ and the one in TypeScript are asked here, with the same plans and calls.

import { spawnSync } from "node:child_process";

import * as fc from "fast-check";
import { expect, test } from "vitest";

import { PlanFollower, type SideInFlight, type SidesInFlight } from "#compute/placement/plan-follower.ts";
import type { Placement } from "#runtime/placement/plan.ts";
import type { PushBackBudget } from "#runtime/placement/push-back.ts";
import { buildNativeProgram } from "#test/native-program.ts";

interface PlanStep {
  readonly plan: readonly (Pick<Placement, "share" | "probeEvery" | "overflowMin" | "overflowTimes"> & {
    readonly name: string;
  })[];
}
interface CallStep {
  readonly call: string;
  readonly sides: SidesInFlight;
}
/** What a call has come to. */
interface EndStep {
  readonly came: "ended" | "back";
  readonly name: string;
  readonly cpuUs: number;
}
type Step = PlanStep | CallStep | EndStep;

const name = fc.constantFrom("khop", "hash-password", "f");
const share = fc.oneof(fc.constantFrom(0, 1, 0.5, 0.1, 1 / 3, 0.999), fc.double({ min: 1e-6, max: 1, noNaN: true }));
const placement = fc.record({
  name,
  share,
  probeEvery: fc.constantFrom(0, 0, 3, 10),
  overflowMin: fc.constantFrom(0, 3, 4),
  overflowTimes: fc.constantFrom(0, 0.5, 4),
});
const plan = fc.record({ plan: fc.uniqueArray(placement, { selector: (one) => one.name, maxLength: 3 }) });
const inFlight = fc
  .constantFrom(0, 0, 0, 0.5, 1, 4, 7)
  .chain((all) => fc.record({ inFlight: fc.constant(all), overflowing: fc.constantFrom(0, all) }));
const call = fc.record({ call: name, sides: fc.record({ compute: inFlight, storage: inFlight }) });
const end = fc.record({
  came: fc.constantFrom("ended", "ended", "back"),
  name,
  cpuUs: fc.constantFrom(0, 10_000, 50_000, 499_999.75, 500_000, 1e7),
});
const steps = fc.array(
  fc.oneof({ weight: 1, arbitrary: plan }, { weight: 30, arbitrary: call }, { weight: 10, arbitrary: end }),
  { maxLength: 400, size: "max" },
);

const ofPlacement = ({ name, share, probeEvery, overflowMin, overflowTimes }: PlanStep["plan"][number]) => [
  name,
  share,
  probeEvery,
  overflowMin,
  overflowTimes,
];
const ofSide = ({ inFlight, overflowing }: SideInFlight) => [inFlight, overflowing];

const ofModule = (asked: readonly Step[]): readonly string[] => {
  const sources = ["storage-module/src/plan_follower.cc"];
  const program = buildNativeProgram({ name: "plan_follower", sources, libraries: [] });
  const input = asked.map((step) => {
    if ("plan" in step) return ["plan", step.plan.length, ...step.plan.flatMap(ofPlacement)].join(" ");
    if ("came" in step) return [step.came, step.name, step.cpuUs].join(" ");
    return ["call", step.call, ...ofSide(step.sides.compute), ...ofSide(step.sides.storage)].join(" ");
  });
  const { status, stdout } = spawnSync(program, { input: input.join("\n"), encoding: "utf8" });
  expect(status).toBe(0);
  return stdout.split("\n").slice(0, -1);
};

/** What is not planned is left to others by a node, and runs at storage in the module. */
const ofNode = (asked: readonly Step[]): readonly string[] => {
  const follower = new PlanFollower();
  /** As calls of these functions have them, since they are planned. */
  const budgets = new Map<string, PushBackBudget>();
  return asked.flatMap((step) => {
    if ("plan" in step) {
      const placements = step.plan.map(({ name, ...one }) => [name, { state: "split", backCpuUs: 0, ...one }] as const);
      follower.follow(new Map(placements));
      for (const one of budgets.keys()) if (step.plan.every((placed) => placed.name !== one)) budgets.delete(one);
      return [];
    }
    if ("came" in step) {
      const budget = budgets.get(step.name);
      if (step.came === "ended") budget?.ended(step.cpuUs);
      else budget?.pushedBack(step.cpuUs);
      return [];
    }
    const planned = follower.sideFor(step.call, step.sides);
    if (planned === null) return ["storage"];
    budgets.set(step.call, planned.budget);
    return [planned.side + (planned.budget.isSpent ? " spent" : "")];
  });
};

test("the module and a node send the same calls to the same sides, and push as many back, whatever is planned and whatever stands idle", () => {
  const samples = fc.sample(steps, { numRuns: 50, seed: 7 });
  for (const asked of samples) expect(ofModule(asked)).toEqual(ofNode(asked));
  // Both of it comes about.
  const spent = samples.flatMap((asked) => ofNode(asked).map((one) => one.endsWith(" spent")));
  expect(new Set(spent)).toEqual(new Set([true, false]));
});
