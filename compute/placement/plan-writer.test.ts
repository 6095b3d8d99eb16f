import { expect, test, vi } from "vitest";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import { NO_PLAN, planVersion, type Placement, type Plan } from "#runtime/placement/plan.ts";
import { recordText } from "./function-records.ts";
import type { PlanChange } from "./messages.ts";
import { PlanWriter, type RecordTexts, type WriteOutcome } from "./plan-writer.ts";

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

/** Writes wait until they are answered. */
const writerOf = (found: Plan = NO_PLAN, followed = planVersion(1, 5)) => {
  const asked: {
    readonly change: PlanChange;
    readonly records: RecordTexts;
    readonly isAgain: boolean;
    readonly answer: (outcome: WriteOutcome | Error) => void;
  }[] = [];
  const written: Plan[] = [];
  let deposed = 0;
  let moves = 0;
  const writer = new PlanWriter({
    found,
    followed,
    recordOf: (name) => (name === "gone" ? null : recordOf(moves)),
    write: (change, records, isAgain) =>
      new Promise((resolve, reject) => {
        asked.push({
          change,
          records,
          isAgain,
          answer: (result) => (result instanceof Error ? reject(result) : resolve(result)),
        });
      }),
    onWritten: (plan) => written.push(plan),
    onDeposed: () => (deposed += 1),
  });
  const move = (name: string): void => {
    moves += 1;
    writer.record(name);
  };
  return { writer, move, asked, written, deposed: () => deposed };
};
const recordOf = (moves: number): FunctionRecord => ({
  counters: { moves, reverts: 0, trials: 0 },
  transitions: [],
});
const textOf = (moves: number): string => recordText(recordOf(moves));

test("writes what is told of a function with the next change, once, and not of one that is gone", async () => {
  const { writer, move, asked } = writerOf();
  move("f");
  move("gone");
  move("away");
  expect(asked).toEqual([]);
  writer.want(placements({ f: 1, gone: 1, g: 1 }));
  expect(asked[0]?.records).toEqual({ f: textOf(3) });
  // Meanwhile it goes and comes back: the same plan, of which more is told.
  move("f");
  writer.want(placements({ f: 0, gone: 1, g: 1 }));
  move("f");
  writer.want(placements({ f: 1, gone: 1, g: 1 }));
  asked[0]?.answer(new Error("away"));
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]).toMatchObject({ records: { f: textOf(3) }, isAgain: true });
  asked[1]?.answer("written");
  await vi.waitFor(() => expect(asked).toHaveLength(3));
  expect(asked[2]).toMatchObject({ change: { placements: {}, removed: [] }, records: { f: textOf(5) } });
  asked[2]?.answer("written");
  writer.want(placements({ f: 1, gone: 1 }));
  await vi.waitFor(() => expect(asked).toHaveLength(4));
  expect(asked[3]).toMatchObject({ change: { removed: ["g"] }, records: {} });
});

test("writes what changed, and what came in the meantime in one change", async () => {
  const { writer, asked, written } = writerOf({ version: 7, placements: placements({ old: 1, same: 1 }) });
  writer.want(placements({ same: 1, f: 0.5 }));
  expect(asked[0]?.change).toEqual({
    version: planVersion(2, 0),
    base: 7,
    placements: { f: at(0.5) },
    removed: ["old"],
  });
  writer.want(placements({ same: 1, f: 0.6 }));
  writer.want(placements({ same: 1, f: 0.7 }));
  expect(asked).toHaveLength(1);
  asked[0]?.answer("written");
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]?.change).toMatchObject({ base: planVersion(2, 0), placements: { f: at(0.7) }, removed: [] });
  asked[1]?.answer("written");
  await vi.waitFor(() => expect(written.map(({ version }) => version)).toEqual([planVersion(2, 0), planVersion(2, 1)]));
});

test("writes nothing where nothing changed", () => {
  const { writer, asked } = writerOf({ version: 7, placements: placements({ f: 1 }) });
  writer.want(placements({ f: 1 }));
  expect(asked).toEqual([]);
});

test("tries again what could not be written", async () => {
  const { writer, asked, written } = writerOf();
  writer.want(placements({ f: 1 }));
  asked[0]?.answer(new Error("away"));
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]).toMatchObject({ change: asked[0]?.change, isAgain: true });
  asked[1]?.answer("written");
  await vi.waitFor(() => expect(written).toHaveLength(1));
});

test("tries again the same, whatever is wanted meanwhile: it may have been written without an answer", async () => {
  const { writer, asked, written } = writerOf();
  writer.want(placements({ f: 1 }));
  writer.want(placements({ f: 0.5, g: 1 }));
  asked[0]?.answer(new Error("away"));
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]?.change).toEqual(asked[0]?.change);
  asked[1]?.answer("written");
  await vi.waitFor(() => expect(asked).toHaveLength(3));
  expect(written).toEqual([{ version: planVersion(2, 0), placements: placements({ f: 1 }) }]);
  expect(asked[2]).toMatchObject({
    change: { version: planVersion(2, 1), base: planVersion(2, 0), placements: { f: at(0.5), g: at(1) } },
    isAgain: false,
  });
});

test("writes all of it where Redis knows no plan any more", async () => {
  const { writer, asked, deposed } = writerOf({ version: 7, placements: placements({ same: 1, old: 1 }) });
  writer.want(placements({ same: 1, f: 0.5 }));
  asked[0]?.answer("forgotten");
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]).toEqual({
    change: { version: planVersion(2, 0), base: 0, placements: { same: at(1), f: at(0.5) }, removed: [] },
    records: { same: textOf(0), f: textOf(0) },
    isAgain: false,
    answer: expect.any(Function),
  });
  expect(deposed()).toBe(0);
});

test("waits while nobody holds the lease", async () => {
  const { writer, asked, deposed, written } = writerOf();
  writer.want(placements({ f: 1 }));
  asked[0]?.answer("unheld");
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(deposed()).toBe(0);
  asked[1]?.answer("written");
  await vi.waitFor(() => expect(written).toHaveLength(1));
});

test("stops when another node controls", async () => {
  const { writer, asked, deposed } = writerOf();
  writer.want(placements({ f: 1 }));
  asked[0]?.answer("deposed");
  await vi.waitFor(() => expect(deposed()).toBe(1));
  writer.want(placements({ f: 0 }));
  expect(asked).toHaveLength(1);
});

test("its plans are later than what anybody follows, in Redis or elsewhere", () => {
  for (const [found, followed] of [
    [planVersion(7, 3), 0],
    [planVersion(2, 0), planVersion(7, 3)],
  ] as const) {
    const { writer, asked } = writerOf({ version: found, placements: new Map() }, followed);
    writer.want(placements({ f: 1 }));
    expect(asked[0]?.change).toMatchObject({ base: found, version: planVersion(8, 0) });
  }
});

test("after the last version comes one of the first reign", () => {
  const { writer, asked } = writerOf(NO_PLAN, Number.MAX_SAFE_INTEGER);
  writer.want(placements({ f: 1 }));
  expect(asked[0]?.change.version).toBe(planVersion(1, 0));
});

/** Of a plan of version (2, 0), above somebody's of reign 40, that says the same. */
const OVERTAKING = { version: planVersion(41, 0), base: planVersion(2, 0), placements: {}, removed: [] };

test("a plan that somebody else has others follow is overtaken by the same plan as before, once", async () => {
  const { writer, asked, written } = writerOf();
  writer.want(placements({ f: 1 }));
  asked[0]?.answer("written");
  await vi.waitFor(() => expect(written).toHaveLength(1));
  writer.overtake(planVersion(1, 9));
  writer.overtake(planVersion(2, 0));
  expect(asked).toHaveLength(1);
  writer.overtake(planVersion(40, 7));
  expect(asked[1]?.change).toEqual(OVERTAKING);
  asked[1]?.answer("written");
  await vi.waitFor(() =>
    expect(written.at(-1)).toEqual({ version: planVersion(41, 0), placements: placements({ f: 1 }) }),
  );
  writer.want(placements({ f: 1 }));
  expect(asked).toHaveLength(2);
});

test("a plan that is overtaken while it is written is written anew, with what it says then", async () => {
  const { writer, asked, written } = writerOf();
  writer.want(placements({ f: 1 }));
  writer.overtake(planVersion(40, 7));
  asked[0]?.answer("written");
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[0]?.change.version).toBe(planVersion(2, 0));
  expect(asked[1]?.change).toEqual(OVERTAKING);
  asked[1]?.answer("written");
  await vi.waitFor(() => expect(written).toHaveLength(2));
  expect(written.at(-1)).toEqual({ version: planVersion(41, 0), placements: placements({ f: 1 }) });
});
