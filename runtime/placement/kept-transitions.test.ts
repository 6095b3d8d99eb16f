import { expect, test } from "vitest";
import type { Transition, Why } from "./function-state.ts";
import { isMove, KeptTransitions, RECORDED_TRANSITIONS_MAX, TRANSITIONS_MAX } from "./kept-transitions.ts";

const MOVED: Why = { kind: "latency", from: 2, to: 1, noise: 0.1 };
const TRIED: Why = { kind: "tried", side: "storage", partner: null, ratio: 0.8, isKept: true, brokenOff: null };

const PROBING: Why = { kind: "probing", side: "compute", every: 1_000 };
const PROBED: Why = { kind: "probed", side: "compute", takesUs: 300 };
const SHIFTED: Why = { kind: "shifted", workTimes: 2 };

const of = (name: string, why: Why, atMs: number): Transition => ({
  atMs,
  function: name,
  from: "compute",
  to: "storage",
  fromShare: 0,
  toShare: 1,
  why,
});

test("a move is kept, however often its function is visited, and tried in vain, and whatever becomes of others", () => {
  const kept = new KeptTransitions();
  kept.add(of("f", MOVED, 0));
  for (let atMs = 1; atMs < 1_000; atMs++) {
    kept.add(of("f", atMs % 2 === 0 ? PROBED : PROBING, atMs));
    kept.add(
      of("f", { kind: "tried", side: "compute", partner: null, ratio: 2, isKept: false, brokenOff: null }, atMs),
    );
    kept.add(of(`g${atMs}`, MOVED, atMs));
  }
  expect(kept.of("f").filter(isMove)).toEqual([of("f", MOVED, 0)]);
  expect(kept.of("f").map(({ atMs }) => atMs)).toEqual(
    kept
      .of("f")
      .map(({ atMs }) => atMs)
      .toSorted((one, other) => one - other),
  );
  expect(kept.of("f").at(-1)).toMatchObject({ atMs: 999 });
});

test("a closed storage has moved what was there, and nothing that was at compute", () => {
  const closed = of("f", { kind: "closed" }, 0);
  expect([isMove({ ...closed, fromShare: 1, toShare: 0 }), isMove({ ...closed, fromShare: 0, toShare: 0 })]).toEqual([
    true,
    false,
  ]);
});

test("trials are kept, however often its calls change, and the other way round", () => {
  const trials: readonly Why[] = [
    { kind: "trying", side: "compute", partner: null, busierTimes: 0.8 },
    { kind: "checking", side: "compute", partner: null, ratio: 0.8 },
    { kind: "tried", side: "compute", partner: null, ratio: 0.99, isKept: false, brokenOff: null },
  ];
  const kept = new KeptTransitions();
  for (const why of trials) kept.add(of("f", why, 0));
  for (let atMs = 1; atMs < 100; atMs++) kept.add(of("f", SHIFTED, atMs));
  expect(
    kept
      .of("f")
      .slice(0, 3)
      .map(({ why }) => why),
  ).toEqual(trials);
  for (let atMs = 100; atMs < 200; atMs++) for (const why of trials) kept.add(of("f", why, atMs));
  expect(kept.of("f").filter(({ why }) => why.kind === "shifted")).toHaveLength(8);
});

test("a function keeps its last moves, and no more of anything than it may", () => {
  const kept = new KeptTransitions();
  for (let atMs = 0; atMs < 100; atMs++) {
    const trying: Why = { kind: "trying", side: "compute", partner: null, busierTimes: 0.8 };
    for (const why of [MOVED, TRIED, trying, PROBING, SHIFTED] as const) {
      kept.add(of("f", why, atMs));
    }
  }
  expect(kept.of("f")).toHaveLength(TRANSITIONS_MAX);
  expect(kept.of("f").filter(isMove)[0]).toMatchObject({ atMs: 96, why: MOVED });
});

test("what outlives whoever keeps them is of each kind the last ones, in their order", () => {
  const kept = new KeptTransitions();
  expect(kept.recorded("f")).toEqual([]);
  kept.add(of("f", MOVED, 0));
  expect(kept.recorded("f")).toEqual(kept.of("f"));
  for (let atMs = 1; atMs < 100; atMs++) {
    const trying: Why = { kind: "trying", side: "compute", partner: null, busierTimes: 0.8 };
    for (const why of [MOVED, trying, PROBING, SHIFTED, PROBED] as const) kept.add(of("f", why, atMs));
  }
  const recorded = kept.recorded("f");
  expect(recorded).toHaveLength(RECORDED_TRANSITIONS_MAX);
  expect(kept.of("f")).toEqual(expect.arrayContaining([...recorded]));
  expect(recorded.map(({ atMs }) => atMs)).toEqual([96, 97, 97, 98, 98, 98, 99, 99, 99, 99]);
  expect(recorded.at(-1)).toMatchObject({ why: PROBED });
});

test("functions that are gone are forgotten", () => {
  const kept = new KeptTransitions();
  for (const name of ["f", "g"]) kept.add(of(name, MOVED, 0));
  kept.keepOnly(new Set(["g"]));
  expect(kept.of("f")).toEqual([]);
  expect(kept.of("g")).toHaveLength(1);
});
