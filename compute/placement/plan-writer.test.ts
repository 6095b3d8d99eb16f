import { expect, test, vi } from "vitest";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import { NO_PLAN, planVersion, type Placement, type Plan } from "#runtime/placement/plan.ts";
import { recordText, type PlanChange } from "./messages.ts";
import { PlanWriter } from "./plan-writer.ts";

const at = (share: number): Placement => ({
  state: "split",
  share,
  probeEvery: 0,
  backCpuUs: 0,
  overflowMin: 0,
  overflowTimes: 0,
});
const placements = (shares: Record<string, number>) =>
  new Map(Object.entries(shares).map(([name, share]) => [name, at(share)]));
const recordOf = (moves: number): FunctionRecord => ({ counters: { moves, reverts: 0, trials: 0 }, transitions: [] });

/** Each write waits for its answer: whether it was written, or an error. */
const writerOf = (found: Plan = NO_PLAN, followed = planVersion(1, 5)) => {
  const attempts: {
    readonly change: PlanChange;
    readonly records: ReadonlyMap<string, string>;
    readonly isRetry: boolean;
    readonly answer: (outcome: boolean | Error) => void;
  }[] = [];
  const written: Plan[] = [];
  const failed: string[] = [];
  let [deposed, moves] = [0, 0];
  const writer = new PlanWriter({
    found,
    followed,
    recordOf: (name) => (name === "gone" ? null : recordOf(moves)),
    write: (change, records, isRetry) =>
      new Promise((resolve, reject) => {
        const answer = (outcome: boolean | Error): void =>
          outcome instanceof Error ? reject(outcome) : resolve(outcome);
        attempts.push({ change, records, isRetry, answer });
      }),
    onWritten: (plan) => written.push(plan),
    onFailed: ({ message }) => failed.push(message),
    onDeposed: () => (deposed += 1),
  });
  const move = (name: string): void => {
    moves += 1;
    writer.record(name);
  };
  const attempt = async (index: number) => {
    await vi.waitFor(() => expect(attempts.length).toBeGreaterThan(index));
    return attempts[index]!;
  };
  return { writer, move, attempts, attempt, written, failed, deposed: () => deposed };
};

test("what changed is written, and all that came meanwhile in one change", async () => {
  const { writer, attempt, attempts, written } = writerOf({ version: 7, placements: placements({ old: 1, same: 1 }) });
  writer.want(placements({ same: 1, f: 0.5 }));
  expect(attempts[0]?.change).toEqual({
    version: planVersion(2, 0),
    base: 7,
    placements: { f: at(0.5) },
    removed: ["old"],
  });
  writer.want(placements({ same: 1, f: 0.6 }));
  writer.want(placements({ same: 1, f: 0.7 }));
  attempts[0]?.answer(true);
  const next = await attempt(1);
  expect(next.change).toMatchObject({ base: planVersion(2, 0), placements: { f: at(0.7) }, removed: [] });
  next.answer(true);
  await vi.waitFor(() => expect(written.map(({ version }) => version)).toEqual([planVersion(2, 0), planVersion(2, 1)]));
});

test("the plan found is written anew as a later version, and only then is a plan without changes not written", async () => {
  for (const [version, followed] of [
    [planVersion(7, 3), 0],
    [planVersion(2, 0), planVersion(7, 3)],
  ] as const) {
    const { writer, attempts, written } = writerOf({ version, placements: placements({ f: 1 }) }, followed);
    writer.want(placements({ f: 1 }));
    expect(attempts[0]?.change).toEqual({ base: version, version: planVersion(8, 0), placements: {}, removed: [] });
    attempts[0]?.answer(true);
    await vi.waitFor(() => expect(written).toHaveLength(1));
    writer.want(placements({ f: 1 }));
    expect(attempts).toHaveLength(1);
  }
});

test("a function's record is written once with the next change, unless the function is gone", async () => {
  const { writer, move, attempts, attempt } = writerOf();
  for (const name of ["f", "gone", "away"]) move(name);
  expect(attempts).toEqual([]);
  writer.want(placements({ f: 1, gone: 1, g: 1 }));
  expect(attempts[0]?.records).toEqual(new Map([["f", recordText(recordOf(3))]]));
  move("f");
  writer.want(placements({ f: 1, gone: 1, g: 1 }));
  attempts[0]?.answer(true);
  const second = await attempt(1);
  expect(second.change).toMatchObject({ placements: {}, removed: [] });
  expect(second.records).toEqual(new Map([["f", recordText(recordOf(4))]]));
  second.answer(true);
  writer.want(placements({ f: 1, gone: 1 }));
  expect(await attempt(2)).toMatchObject({ change: { removed: ["g"] }, records: new Map() });
});

test("a change that failed is repeated as it was, because it may have been written", async () => {
  const { failed, writer, attempts, attempt, written } = writerOf();
  writer.want(placements({ f: 1 }));
  writer.want(placements({ f: 0.5, g: 1 }));
  attempts[0]?.answer(new Error("away"));
  await vi.waitFor(() => expect(failed).toEqual(["away"]));
  const again = await attempt(1);
  expect(again).toMatchObject({ change: attempts[0]?.change, isRetry: true });
  again.answer(true);
  expect(await attempt(2)).toMatchObject({
    change: { version: planVersion(2, 1), base: planVersion(2, 0), placements: { f: at(0.5), g: at(1) } },
    isRetry: false,
  });
  expect(written).toEqual([{ version: planVersion(2, 0), placements: placements({ f: 1 }) }]);
});

test("writing ends when another node controls", async () => {
  const { writer, attempts, deposed } = writerOf();
  writer.want(placements({ f: 1 }));
  attempts[0]?.answer(false);
  await vi.waitFor(() => expect(deposed()).toBe(1));
  writer.want(placements({ f: 0 }));
  expect(attempts).toHaveLength(1);
});

test("the last version is followed by one of the first reign", () => {
  const { writer, attempts } = writerOf(NO_PLAN, Number.MAX_SAFE_INTEGER);
  writer.want(placements({ f: 1 }));
  expect(attempts[0]?.change.version).toBe(planVersion(1, 0));
});
