import { describe, expect, test } from "vitest";
import type { Side } from "#runtime/profile/sample.ts";
import type { Cost } from "./cost-model.ts";
import { ONE_CORE_EACH, type Calls, PlayedCalls } from "./played-calls.ts";
import { NONE_FIXED, PoolUse } from "./pool-use.ts";
import {
  changed,
  heldAlong,
  isHeld,
  isMistake,
  nextTrial,
  NO_TRIALS,
  patienceOf,
  shareAt,
  trialsAfter,
  trialsAfterShift,
  verdictOf,
  type Tried,
  type Trials,
} from "./trials.ts";

/** Calls, and their functions as trials see them. */
class Load extends PlayedCalls {
  static warm(): Load {
    return new Load().warm({ a: [atCompute, atStorage], b: [atCompute, atStorage] });
  }

  tried(name: string, share: number, change: Partial<Tried> = {}): Tried {
    return {
      name,
      profile: this.profiles.get(name)!,
      share,
      load: loadOf(400),
      trials: NO_TRIALS,
      sinceMs: 0,
      isFree: true,
      bounds: [0, 1],
      isWarm: { compute: true, storage: true },
      ...change,
    };
  }
}

const costAt = (side: Side, busyUs: number, crowd = 0): Cost => ({
  latencyUs: busyUs + crowd,
  aloneUs: busyUs,
  terms: { call: 0, enter: 0, cpu: busyUs, operations: 0, rounds: 0, bytes: 0, crowd },
  computeUs: side === "compute" ? busyUs : 0,
  storageUs: side === "storage" ? busyUs : 0,
  redisUs: 0,
});

/** The same on either side: the model sees no difference. */
const loadOf = (callsPerSecond: number, busyUs = 2_000, crowd = 0) => ({
  callsPerSecond,
  fixedPerSecond: NONE_FIXED,
  costs: { compute: costAt("compute", busyUs, crowd), storage: costAt("storage", busyUs, crowd) },
  lowest: 0,
  highest: 1,
  weight: 1,
});

const next = (all: readonly Tried[], nowMs: number, capacity = ONE_CORE_EACH) => {
  const use = new PoolUse(
    all.map(({ load }) => load),
    capacity,
  );
  return nextTrial(all, use, capacity, { nowMs, heardMs: nowMs }).map(({ index, side, partner }) => [
    all[index]!.name,
    side,
    partner,
  ]);
};

const running = (side: Side, startedMs: number, partner: string | null = null): Trials => ({
  ...NO_TRIALS,
  running: { side, partner, startedMs, fromShare: 1 - shareAt(side) },
});

const atCompute = { side: "compute", count: 40, elapsedUs: 4_000 } as const;
const atStorage = { side: "storage", count: 40, elapsedUs: 4_000 } as const;

describe("what is tried next", () => {
  const both = () => Load.warm().run(500, { a: atCompute, b: atStorage });

  test("nothing, where there is room and nobody waits", () => {
    const load = both();
    expect(next([load.tried("a", 0, { load: loadOf(400, 100) })], load.nowMs)).toEqual([]);
  });

  test("nothing of a load that has begun or gone on only just now", () => {
    const isTried = (quietMs: number, ms: number) => {
      const load = both().run(quietMs, {}).run(ms, { a: atCompute, b: atStorage });
      return next([load.tried("a", 0), load.tried("b", 1)], load.nowMs).length > 0;
    };
    expect([isTried(0, 0), isTried(125, 100), isTried(125, 225), isTried(125, 300)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  test("something, where calls mostly wait for each other though the model sees room", () => {
    const load = both();
    const waits = load.tried("a", 0, { load: loadOf(400, 100, 300) });
    expect(next([waits], load.nowMs)).toEqual([["a", "storage", null]]);
    expect(next([waits], load.nowMs, { ...ONE_CORE_EACH, callers: 2 })).toEqual([]);
  });

  test("two functions that change places, before one that joins the other", () => {
    const load = both();
    expect(next([load.tried("a", 0), load.tried("b", 1)], load.nowMs)).toEqual([
      ["a", "storage", "b"],
      ["b", "compute", "a"],
    ]);
  });

  test("what was kept once, before what the model has do better", () => {
    const load = both();
    const kept = { ...NO_TRIALS, keptSide: "storage" } as const;
    const b = load.tried("b", 1, { load: loadOf(100) });
    expect(next([load.tried("a", 0, { trials: kept }), b], load.nowMs)).toEqual([["a", "storage", null]]);
  });

  test("no small change, nothing that has proved better where it is or was no good just now, and no side that is cold", () => {
    const load = both();
    const nearly = load.tried("a", 0.95, { isWarm: { compute: false, storage: true } });
    expect(next([{ ...nearly, profile: load.profiles.get("b")! }], load.nowMs)).toEqual([]);
    const held = (refutedShare: number, isFirm: boolean) => {
      const firmUntilMs = isFirm ? Infinity : -Infinity;
      const trials = {
        ...NO_TRIALS,
        held: { sinceMs: 0, untilMs: Infinity, promisedUs: 1, refutedShare, firmUntilMs },
      };
      return next([load.tried("a", 0, { trials })], load.nowMs);
    };
    expect(held(1, false)).toEqual([]);
    // Along with others: after a trial of theirs it is tried where it is itself no better, after a mistake of the model's it is not.
    expect(held(0, false)).toEqual([["a", "storage", null]]);
    expect(held(0, true)).toEqual([]);
    const no = { ...NO_TRIALS, backOffs: new Map([["storage", { ms: 1_000, untilMs: load.nowMs + 1 }]]) };
    expect(next([load.tried("a", 0, { trials: no })], load.nowMs)).toEqual([]);
  });

  test("nothing for a while after a trial: longer with each that came to nothing, whatever it tried, and ten seconds at most", () => {
    const load = both();
    const isTried = (agoMs: number, ...fruitless: readonly [number, number]) => {
      const [a, b] = fruitless.map((one) => ({ ...NO_TRIALS, endedMs: load.nowMs - agoMs, fruitless: one }));
      const all = [load.tried("a", 0, { trials: a! }), load.tried("b", 1, { trials: b! })];
      return next(all, load.nowMs).length > 0;
    };
    expect([isTried(175, 0, 0), isTried(225, 0, 0)]).toEqual([false, true]);
    // 200 ms, and half as much again for each of three.
    expect([isTried(674, 1, 2), isTried(676, 1, 2)]).toEqual([false, true]);
    expect([isTried(9_999, 20, 20), isTried(10_000, 20, 20)]).toEqual([false, true]);
  });

  test("nothing, before what the last one has cost is a small part of what was done since", () => {
    const load = both();
    const isTried = (agoMs: number, ratio: number) => {
      const begun = load.tried("a", 0, { trials: running("storage", -150) });
      const ended = trialsAfter(begun, { came: "worse", ratio }, 0);
      const trials = { ...ended, backOffs: NO_TRIALS.backOffs };
      const after = Load.warm().run(agoMs, { a: atCompute });
      return next([after.tried("a", 0, { trials })], after.nowMs).length > 0;
    };
    // 150 ms of calls that took half as long again are 75 ms lost: a twentieth of 1.5 s.
    expect([isTried(1_475, 1.5), isTried(1_500, 1.5)]).toEqual([false, true]);
    expect(isTried(400, 1)).toBe(true);
    // Ten seconds at most, whatever it was.
    expect([isTried(9_975, 1e6), isTried(10_000, 1e6)]).toEqual([false, true]);
  });

  test("nothing of a function whose callers ask for the other side, or for this one", () => {
    const load = both();
    expect(next([load.tried("a", 1)], load.nowMs)).toEqual([]);
    const fixed = (compute: number) => ({ ...loadOf(400 - compute), fixedPerSecond: { compute, storage: 0 } });
    expect(next([load.tried("a", 0, { load: fixed(40) })], load.nowMs)).toEqual([["a", "storage", null]]);
    expect(next([load.tried("a", 0, { load: fixed(80) })], load.nowMs)).toEqual([]);
  });
});

describe("what came of a trial", () => {
  /** `a` goes from compute to storage at 500 ms; its calls take so many times as long there. */
  const cameOf = (ms: number, factor: number, side: Side = "storage") => {
    const load = Load.warm().run(500, { a: atCompute });
    load.run(ms, { a: { side, count: Math.round(40 / factor), elapsedUs: 4_000 * factor } });
    const tried = load.tried("a", 1, { trials: running("storage", 500) });
    return verdictOf([tried], [tried], load.nowMs)?.came ?? null;
  };

  test("is told after 150 ms, and what is clearly worse after 100", () => {
    expect(cameOf(100, 0.5)).toBeNull();
    expect(cameOf(150, 0.5)).toBe("kept");
    expect(cameOf(150, 1)).toBe("dropped");
    expect(cameOf(75, 2)).toBeNull();
    expect(cameOf(100, 2)).toBe("worse");
  });

  test("is nothing where callers ask for the other side, however long their calls take", () => {
    expect(cameOf(200, 1, "compute")).toBeNull();
    expect(cameOf(200, 2, "compute")).toBeNull();
    expect(cameOf(500, 2, "compute")).toBe("void");
  });

  test("on a side that is cold is told by the calls since its code is compiled, or by the last of them", () => {
    const cameAfter = (coldMs: number, ms: number, elapsedUs = 6_000) => {
      const load = new Load().warm({ a: [atCompute] }).run(500, { a: atCompute });
      // Eight calls a window: 128 are not reached; then forty, and in four windows they are.
      const few = { ...atStorage, count: 8, elapsedUs };
      load.run(coldMs, { a: few }).run(ms, { a: { ...atStorage, elapsedUs: 2_000 } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs);
    };
    expect(cameAfter(150, 0)).toBeNull();
    expect(cameAfter(150, 125)).toBeNull();
    expect(cameAfter(150, 150)).toEqual({ came: "kept", ratio: 0.5 });
    // It never gets there: what counts is the end of the longest trial.
    expect(cameAfter(425, 0)).toBeNull();
    expect(cameAfter(500, 0)).toEqual({ came: "worse", ratio: 1.5 });
    // No compiler makes that good.
    expect(cameAfter(100, 0, 12_000)).toBeNull();
    expect(cameAfter(150, 0, 12_000)).toEqual({ came: "worse", ratio: 3 });
  });

  test("counts for all that are called", () => {
    const load = Load.warm().run(500, { a: atCompute, b: atStorage });
    load.run(150, { a: { ...atStorage, elapsedUs: 3_000 }, b: { ...atStorage, elapsedUs: 6_000 } });
    const tried = load.tried("a", 1, { trials: running("storage", 500) });
    expect(verdictOf([tried], [tried, load.tried("b", 1)], load.nowMs)).toMatchObject({ came: "dropped" });
  });

  test("is not told by calls that were under way when it began", () => {
    const load = Load.warm().run(500, { a: atCompute });
    load.run(50, { a: { ...atStorage, elapsedUs: 20_000 } }).run(100, { a: { ...atStorage, elapsedUs: 3_000 } });
    const tried = load.tried("a", 1, { trials: running("storage", 500) });
    expect(verdictOf([tried], [tried], load.nowMs)).toEqual({ came: "kept", ratio: 0.75 });
  });

  test("is no better for calls that are over at once since they fail", () => {
    const cameWith = (failing: number) => {
      const load = Load.warm()
        .run(500, { a: atCompute })
        .run(150, { a: { ...atStorage, elapsedUs: 3_000, failing } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs);
    };
    expect(cameWith(0)).toEqual({ came: "kept", ratio: 0.75 });
    expect(cameWith(40)).toEqual({ came: "worse", ratio: 1.5 });
  });

  test("is nothing where callers have gone, though what is left takes less", () => {
    const cameWith = (count: number) => {
      const load = Load.warm().run(500, { a: atCompute });
      load.run(150, { a: { ...atStorage, count, elapsedUs: 2_000 } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs)?.came;
    };
    expect([cameWith(40), cameWith(20)]).toEqual(["kept", "void"]);
  });

  test("is no better for what had become less before", () => {
    const cameAfter = (ms: number) => {
      const load = Load.warm()
        .run(425, { a: atCompute })
        .run(75, { a: { ...atCompute, elapsedUs: 2_000 } });
      load.run(ms, { a: { ...atStorage, elapsedUs: 2_000 } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs)?.came ?? null;
    };
    expect([cameAfter(150), cameAfter(500)]).toEqual([null, "dropped"]);
  });

  test("is nothing where nobody called for a while, and told where all waited for as long", () => {
    const slow = { ...atCompute, elapsedUs: 40_000 };
    const cameWith = (elapsedUs: number, short = 0) => {
      const load = Load.warm().run(500, { a: slow }).run(25, { a: atStorage }).run(75, {});
      const kinds = [
        { ...atStorage, elapsedUs },
        { ...atStorage, count: short, elapsedUs: 1_000 },
      ];
      load.run(25, { a: kinds }).run(25, { a: { ...atStorage, elapsedUs } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs)?.came;
    };
    expect([cameWith(20_000), cameWith(100_000)]).toEqual(["void", "worse"]);
    // As many have waited, and many more came and went behind them.
    expect(cameWith(100_000, 100)).not.toBe("void");
  });

  test("is nothing at once where one of the two that changed places takes part no more", () => {
    const load = Load.warm().run(500, { a: atCompute, b: atStorage }).run(25, { a: atStorage, b: atCompute });
    const tried = load.tried("a", 1, { trials: running("storage", 500, "b") });
    const other = load.tried("b", 0, { trials: running("compute", 500, "a") });
    expect(verdictOf([tried, other], [tried, other], load.nowMs)).toBeNull();
    expect(verdictOf([tried], [tried, load.tried("b", 0)], load.nowMs)).toMatchObject({ came: "void" });
  });
});

describe("whoever comes, goes or changes", () => {
  const running = { side: "storage", partner: null, startedMs: 500, fromShare: 0 } as const;
  const verdict = (calls: Readonly<Record<string, Calls>>, others: Partial<Tried> = {}) => {
    const after = Load.warm()
      .run(500, { a: atCompute, b: atCompute })
      .run(150, { a: atStorage, ...calls });
    const tried = after.tried("a", 1, { trials: { ...NO_TRIALS, running } });
    const called = ["b", "c"].filter((name) => after.profiles.get(name) !== undefined);
    return verdictOf([tried], [tried, ...called.map((name) => after.tried(name, 0, others))], after.nowMs);
  };
  /** A fiftieth of what `a` works. */
  const slight = { load: loadOf(400, 40) };

  test("meanwhile leaves a trial without a verdict", () => {
    expect(verdict({})).toMatchObject({ came: "void" });
    expect(verdict({ b: atCompute, c: atCompute })).toMatchObject({ came: "void" });
    expect(verdict({ b: atCompute }, { sinceMs: 500 })).toMatchObject({ came: "void" });
    expect(verdict({ b: atCompute }, { sinceMs: 499 })).not.toMatchObject({ came: "void" });
  });

  test("is nothing to a trial where that is little of the work", () => {
    expect(verdict({}, slight)).not.toMatchObject({ came: "void" });
    expect(verdict({ b: atCompute, c: atCompute }, slight)).not.toMatchObject({ came: "void" });
    expect(verdict({ b: atCompute }, { ...slight, sinceMs: 500 })).not.toMatchObject({ came: "void" });
  });

  test("is not who calls and is refused: what a trial does to others counts", () => {
    const refused = { ...atCompute, count: 0, failing: 20 };
    expect(verdict({ b: refused })).toMatchObject({ came: "worse" });
  });
});

describe("after a trial", () => {
  const load = Load.warm()
    .run(500, { a: atCompute })
    .run(150, { a: { ...atStorage, elapsedUs: 2_000 } });
  const after = (came: "kept" | "dropped" | "worse" | "void", trials: Trials, nowMs = load.nowMs) => {
    const begun = { ...trials, running: { side: "storage", partner: null, startedMs: 500, fromShare: 0 } as const };
    return trialsAfter(load.tried("a", 1, { trials: begun }), { came, ratio: 1 }, nowMs);
  };
  const backOff = (trials: Trials) => trials.backOffs.get("storage");

  test("what did better stays, for longer each time, while it keeps its promise", () => {
    const once = after("kept", NO_TRIALS);
    expect(once).toMatchObject({ running: null, keptSide: "storage", holdMs: 5_000 });
    expect(once.held).toMatchObject({ untilMs: load.nowMs + 5_000, promisedUs: 2_000 });
    expect(after("kept", once).holdMs).toBe(10_000);
    const { profile } = load.tried("a", 1);
    const held = { share: 1, trials: once, overflowMin: 0 };
    expect(isHeld(profile, held, load.nowMs)).toBe(true);
    expect(isHeld(profile, held, load.nowMs + 5_000)).toBe(false);
    const elsewhere = { ...held, share: 0 };
    expect(isHeld(profile, elsewhere, load.nowMs + 100)).toBe(true);
    load.run(100, { a: { ...atStorage, elapsedUs: 2_000 } });
    expect(isHeld(profile, held, load.nowMs)).toBe(true);
    expect(isHeld(profile, elsewhere, load.nowMs), "none of them is where the plan has it").toBe(false);
    expect(isHeld(profile, { ...elsewhere, overflowMin: 3 }, load.nowMs), "the plan has them overflow").toBe(true);
    load.run(300, { a: atStorage });
    expect(isHeld(profile, held, load.nowMs)).toBe(false);
  });

  test("one that contradicts another soon makes the next take longer, come later, and show more; what is kept is held longer", () => {
    const at = (side: Side, trials: Trials, nowMs: number) => {
      const begun = { ...trials, running: { side, partner: null, startedMs: nowMs - 150, fromShare: 0 } as const };
      return trialsAfter(load.tried("a", 1, { trials: begun }), { came: "kept", ratio: 0.5 }, nowMs);
    };
    const once = at("storage", NO_TRIALS, 650);
    expect(at("storage", once, 1_650)).toMatchObject({ contradicted: 0, fruitless: 0 });
    expect(at("compute", once, 31_650)).toMatchObject({ contradicted: 0, fruitless: 0 });
    const twice = at("compute", once, 1_650);
    expect(twice).toMatchObject({ contradicted: 1, fruitless: 3 });
    expect(at("storage", twice, 2_650)).toMatchObject({ contradicted: 2, fruitless: 6 });
    expect(trialsAfterShift(twice, true, 2_000)).toMatchObject({ contradicted: 0, fruitless: 0 });

    const better = Load.warm()
      .run(500, { a: atCompute })
      .run(150, { a: { ...atStorage, elapsedUs: 3_700 } });
    const verdict = (trials: Trials) => {
      const one = better.tried("a", 1, { trials: { ...trials, running: running("storage", 500).running } });
      return verdictOf([one], [one], better.nowMs);
    };
    expect(verdict(NO_TRIALS)).toMatchObject({ came: "kept" });
    expect(verdict(twice)).toBeNull();
    better.run(100, { a: { ...atStorage, elapsedUs: 3_700 } });
    expect(verdict(twice)).toMatchObject({ came: "dropped" });

    const { profile } = better.tried("a", 1);
    const held = { sinceMs: 0, untilMs: Infinity, promisedUs: 2_000, refutedShare: 0, firmUntilMs: -Infinity };
    expect(isHeld(profile, { share: 1, trials: { ...NO_TRIALS, held }, overflowMin: 0 }, better.nowMs)).toBe(false);
    const doubted = { ...NO_TRIALS, held, contradicted: 1, keptMs: 0 };
    expect(isHeld(profile, { share: 1, trials: doubted, overflowMin: 0 }, better.nowMs)).toBe(true);
    expect(patienceOf([{ trials: doubted }], 29_999)).toBe(2);
    expect(patienceOf([{ trials: doubted }], 30_000), "it is forgotten though none was kept since").toBe(1);
  });

  test("what did not is tried later and later, what was clearly worse later still, and after a long time as if never before", () => {
    let trials = after("dropped", NO_TRIALS);
    const waits = [backOff(trials)!.ms];
    for (let time = 0; time < 7; time++) {
      trials = after("dropped", trials);
      waits.push(backOff(trials)!.ms);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect(backOff(after("worse", NO_TRIALS))!.ms).toBe(4_000);
    const other = { ...trials, backOffs: new Map([["compute b", { ms: 1_000, untilMs: load.nowMs }]]) };
    expect([...after("dropped", other, load.nowMs + 59_000).backOffs.keys()]).toEqual(["compute b", "storage"]);
    expect([...after("dropped", other, load.nowMs + 61_000).backOffs.keys()]).toEqual(["storage"]);
  });

  test("what ended without a verdict was not tried, and may be at once", () => {
    const before: Trials = { ...NO_TRIALS, fruitless: 2, running: running("storage", 0).running };
    expect(after("void", before)).toEqual({ ...before, running: null, endedMs: load.nowMs });
  });

  test("a shift makes all be tried soon where what was no good before is remembered, else what did well once alone", () => {
    const no = { ms: 1_000, untilMs: Infinity };
    const backOffs = new Map([
      ["storage", no],
      ["storage b", no],
      ["compute", no],
    ]);
    const before: Trials = { ...NO_TRIALS, backOffs, fruitless: 3, keptSide: "storage", holdMs: 5_000 };
    expect(trialsAfterShift(before, true, 1_000)).toMatchObject({ backOffs: new Map(), fruitless: 0 });
    const shifted = trialsAfterShift(before, false, 1_000);
    expect([...shifted.backOffs.keys()]).toEqual(["compute"]);
    expect(shifted).toMatchObject({ held: null, holdMs: 0, keptSide: "storage" });
  });

  test("others are held to what they took meanwhile, if they were called", () => {
    const also = Load.warm().run(150, { a: atCompute });
    const shown = { fromMs: 0, toMs: 150 };
    const until = { untilMs: 9_000, isFirm: true };
    expect(heldAlong(also.tried("a", 0), shown, until, 150).held).toEqual({
      sinceMs: 150,
      untilMs: 9_000,
      promisedUs: 4_000,
      refutedShare: 0,
      firmUntilMs: 9_000,
    });
    expect(heldAlong(also.tried("a", 0), { fromMs: 200, toMs: 300 }, until, 300).held).toBeNull();
  });

  describe("who is held already", () => {
    const also = Load.warm().run(150, { a: atCompute });
    const shown = { fromMs: 0, toMs: 150 };
    /** At 150 ms, at compute, until 5 s. */
    const heldOnBy = (held: Partial<Held>, until: { readonly untilMs: number; readonly isFirm: boolean }) => {
      const before = { sinceMs: 0, untilMs: 5_000, promisedUs: 100, refutedShare: 0, firmUntilMs: -Infinity, ...held };
      const tried = { ...also.tried("a", 0), trials: { ...NO_TRIALS, held: before } };
      return heldAlong(tried, shown, until, 150).held;
    };

    test.each([false, true])("is so for longer when a plan proves better, proof or none", (isProof) => {
      const refutedShare = isProof ? 1 : 0;
      const longer = { untilMs: 9_000, isFirm: false };
      expect(heldOnBy({ refutedShare }, longer)).toMatchObject({
        untilMs: 9_000,
        refutedShare,
        firmUntilMs: -Infinity,
      });
      expect(heldOnBy({ refutedShare }, { untilMs: 2_000, isFirm: false })?.untilMs).toBe(5_000);
    });

    test("stays whatever is promised after a mistake, until its back-off is over and no longer, if it was held along only", () => {
      expect(heldOnBy({}, { untilMs: 9_000, isFirm: true })).toMatchObject({ untilMs: 9_000, firmUntilMs: 9_000 });
      expect(heldOnBy({}, { untilMs: 2_000, isFirm: true })).toMatchObject({ untilMs: 5_000, firmUntilMs: 2_000 });
      const firm = { firmUntilMs: 2_000 };
      expect(heldOnBy(firm, { untilMs: 9_000, isFirm: true })).toMatchObject({ untilMs: 9_000, firmUntilMs: 9_000 });
      expect(heldOnBy(firm, { untilMs: 9_000, isFirm: false })).toMatchObject({ untilMs: 9_000, firmUntilMs: 2_000 });
    });

    test("is as before after a mistake of others, where it is held for a proof of its own", () => {
      const proof = { untilMs: 5_000, firmUntilMs: -Infinity };
      expect(heldOnBy({ refutedShare: 1 }, { untilMs: 9_000, isFirm: true })).toMatchObject(proof);
    });
  });
});

type Held = NonNullable<Trials["held"]>;

describe("a move", () => {
  /** `a` went to storage at 500 ms. */
  const mistaken = (load: Load) => {
    const a = load.tried("a", 1);
    return isMistake([a], changed([{ profile: a.profile, side: "storage" }], 500), load.nowMs);
  };
  /** Calls of `a` take 4 ms at compute and so many times as long at storage, where it goes at 500 ms; so many times as many end. */
  const isWorse = (times: number, ended: number, { ms = 150, count = 40 } = {}) => {
    const before = { side: "compute", elapsedUs: 4_000 } as const;
    const load = Load.warm().run(500, { a: { ...before, count } });
    load.run(ms, { a: { ...before, side: "storage", count: Math.round(count * ended), elapsedUs: 4_000 * times } });
    return mistaken(load);
  };

  test("was a mistake where calls take longer by more than a fifth, and fewer end", () => {
    expect(isWorse(2, 0.5)).toBe(true);
    expect(isWorse(1.3, 0.75)).toBe(true);
    expect(isWorse(1.15, 0.85)).toBe(false);
    expect(isWorse(0.5, 2)).toBe(false);
  });

  test("was none where more calls come, which wait for each other, nor where fewer do", () => {
    expect(isWorse(2, 1)).toBe(false);
    expect(isWorse(2, 2)).toBe(false);
    expect(isWorse(1, 0.5)).toBe(false);
  });

  test("was none where calls took as long just before it already", () => {
    const isWorseAfter = (slowMs: number) => {
      const [quick, slow] = [
        { ...atCompute, elapsedUs: 4_000 },
        { ...atCompute, count: 20, elapsedUs: 8_000 },
      ];
      const load = Load.warm()
        .run(500 - slowMs, { a: quick })
        .run(slowMs, { a: slow });
      load.run(150, { a: { ...slow, side: "storage" } });
      return mistaken(load);
    };
    expect(isWorseAfter(0)).toBe(true);
    expect(isWorseAfter(25)).toBe(true);
    expect(isWorseAfter(75)).toBe(false);
  });

  test("was none either where few calls end, as few as just before it", () => {
    const isWorseAfter = (slowMs: number) => {
      const long = { side: "compute", count: 1, elapsedUs: 200_000 } as const;
      const load = Load.warm()
        .run(500 - slowMs, { a: atCompute })
        .run(slowMs, { a: long });
      load.run(550, { a: { ...long, side: "storage" } });
      return mistaken(load);
    };
    expect(isWorseAfter(0)).toBe(true);
    expect(isWorseAfter(75)).toBe(false);
  });

  test("was one where calls fail since, however quick they are", () => {
    const load = Load.warm().run(500, { a: atCompute });
    load.run(150, { a: { ...atStorage, count: 16, failing: 24, elapsedUs: 3_000 } });
    expect(mistaken(load)).toBe(true);
  });

  test("was none where calls differ so much that it may be chance", () => {
    const one = { side: "compute", count: 9, elapsedUs: 400 } as const;
    const rare = { side: "compute", count: 1, elapsedUs: 36_000 } as const;
    const load = Load.warm().run(500, { a: [one, rare] });
    // The rare ones come as before, and fewer of the others.
    const [quick, dear] = [
      { ...one, side: "storage", count: 6 },
      { ...rare, side: "storage" },
    ] as const;
    load.run(200, { a: [quick, dear] });
    expect(mistaken(load)).toBe(false);
    // The same of calls that are all alike.
    const mean = (9 * 400 + 36_000) / 10;
    const alike = Load.warm().run(500, { a: { ...one, count: 10, elapsedUs: mean } });
    const after = { side: "storage", count: 7, elapsedUs: (6 * 400 + 36_000) / 7 } as const;
    alike.run(200, { a: after });
    expect(mistaken(alike)).toBe(true);
  });

  test("is not judged before a few calls have ended, unless none does where many did", () => {
    expect(isWorse(3, 0.02, { ms: 475 })).toBeNull();
    expect(isWorse(3, 0.02, { ms: 500 })).toBe(true);
    // Of a function that is hardly called.
    expect(isWorse(3, 0.5, { ms: 475, count: 2 })).toBeNull();
    expect(isWorse(3, 0.5, { ms: 500, count: 2 })).toBe(false);
  });
});
