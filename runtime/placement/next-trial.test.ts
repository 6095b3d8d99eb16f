import { describe, expect, test } from "vitest";
import type { Cost } from "./cost-model.ts";
import { nextTrial } from "./next-trial.ts";
import { ONE_CORE_EACH, type Calls } from "./played-calls.ts";
import { Load, loadOf, running, atCompute, atStorage } from "./played-load.ts";
import { poolUse } from "./pool-use.ts";
import { trialsAfter } from "./trial-verdict.ts";
import { NO_TRIALS, type Trials } from "./trials.ts";
import type { Tried } from "./tried-function.ts";

const next = (all: readonly Tried[], nowMs: number, capacity = ONE_CORE_EACH) => {
  const use = poolUse(
    all.map(({ load }) => load),
    capacity,
  );
  return nextTrial(all, use, capacity, { nowMs, heardMs: nowMs }).map(({ index, side, partner }) => [
    all[index]!.name,
    side,
    partner,
  ]);
};

describe("what is tried next", () => {
  const both = () => Load.warm().run(500, { a: atCompute, b: atStorage });
  /** That wait for nobody: what `loadOf(…, 100)` takes alone. */
  const unqueued = { elapsedUs: 100 } as const;

  test("nothing, where there is room and nobody waits", () => {
    const load = Load.warm().run(500, { a: { ...atCompute, ...unqueued } });
    expect(next([load.tried("a", 0, { load: loadOf(400, 100) })], load.nowMs)).toEqual([]);
  });

  test.each<[string, string, Partial<Cost>, number, number, readonly unknown[]]>([
    ["what promises much", "is not known well", { latencyUs: 70 }, 0.4, 40, [["a", "storage", null]]],
    ["what promises it alone", "is not known well", { latencyUs: 900, aloneUs: 70 }, 0.4, 40, [["a", "storage", null]]],
    ["nothing", "is known well", { latencyUs: 900, aloneUs: 70 }, 0.1, 40, []],
    [
      "what promises much",
      "would alone do more than may be",
      { latencyUs: 80, aloneUs: 10 },
      0.2,
      40,
      [["a", "storage", null]],
    ],
    ["nothing", "promises little", { latencyUs: 95, aloneUs: 95 }, 0.4, 40, []],
    ["nothing", "would be full", { latencyUs: 70, storageUs: 2_000 }, 0.4, 40, []],
    ["nothing", "promises much to calls that are too few to tell", { latencyUs: 70 }, 0.4, 3, []],
  ])("%s, where there is room and the other side %s", (_tried, _other, there, error, count, expected) => {
    const load = Load.warm().run(500, { a: { ...atCompute, ...unqueued, count } });
    const one = load.tried("a", 0, { load: loadOf(400, 100, 0, there), error });
    expect(next([one], load.nowMs)).toEqual(expected);
  });

  test("two do not change places where there is room", () => {
    const load = Load.warm().run(500, { a: { ...atCompute, ...unqueued }, b: { ...atStorage, ...unqueued } });
    const a = load.tried("a", 0, { load: loadOf(400, 100, 0, { latencyUs: 70 }), error: 0.4 });
    const b = load.tried("b", 1, { load: loadOf(400, 100), error: 0.4 });
    expect(next([a, b], load.nowMs)).toEqual([["a", "storage", null]]);
  });

  test("nothing of a load that has begun or gone on only just now", () => {
    const isTried = (quietMs: number, ms: number) => {
      const load = both().run(quietMs, {}).run(ms, { a: atCompute, b: atStorage });
      return next([load.tried("a", 0), load.tried("b", 1)], load.nowMs).length > 0;
    };
    expect([isTried(0, 0), isTried(125, 100), isTried(125, 425), isTried(125, 500)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  test("nothing of a function that nobody calls any more, or not yet for long, whatever others do", () => {
    const tried = (load: Load): readonly unknown[] =>
      next([load.tried("a", 0), load.tried("b", 1, { load: loadOf(90) })], load.nowMs).map(([name]) => name);
    expect(tried(both().run(100, { b: atStorage }))).toEqual(["b"]);
    const back = both().run(600, { b: atStorage }).run(100, { a: atCompute, b: atStorage });
    expect(tried(back)).toEqual(["b"]);
    expect(tried(back.run(400, { a: atCompute, b: atStorage }))).toEqual(["a", "b"]);
  });

  test("nothing of a function before its calls have come for half as long again as when they paused in a trial, or a minute is over", () => {
    const load = both();
    const cameForMs = load.nowMs - load.tried("a", 0).profile.comingSinceMs;
    const after = (times: number, untilMs = 60_000) => {
      const trials = { ...NO_TRIALS, pausedIn: { cameForMs: cameForMs / times, untilMs } };
      return next([load.tried("a", 0, { trials })], load.nowMs);
    };
    const tried = [["a", "storage", null]];
    expect([after(1), after(1.4), after(1.6), after(1, load.nowMs)]).toEqual([[], [], tried, tried]);
  });

  test("something of a function whose calls are few, or come in waves, though none has ended for a while", () => {
    const triedAfter = (quietMs: number, wave: Calls, everyMs: number): readonly unknown[] => {
      const load = Load.warm();
      for (let waves = 0; waves < 5; waves++)
        load.run(25, { a: wave, b: atStorage }).run(everyMs - 25, { b: atStorage });
      load.run(25, { a: wave, b: atStorage }).run(quietMs, { b: atStorage });
      const stays = load.tried("b", 1, { load: loadOf(90), isFree: false });
      return next([load.tried("a", 0, { load: loadOf(50, 16_000) }), stays], load.nowMs).map(([name]) => name);
    };
    const long = { ...atCompute, count: 16, elapsedUs: 300_000 };
    expect([triedAfter(275, long, 325), triedAfter(500, long, 325)]).toEqual([["a"], []]);
    const few = { ...atCompute, count: 1, elapsedUs: 4_000 };
    expect(triedAfter(175, few, 200)).toEqual(["a"]);
  });

  test("nothing, where calls wait so long that what ends in a trial was in a queue before it", () => {
    const isTried = (change: Partial<Calls>, aloneUs = 2_000): boolean => {
      const load = Load.warm().run(600, { a: { ...atCompute, ...change }, b: { ...atStorage, ...change } });
      const taking = { load: loadOf(400, aloneUs) };
      return next([load.tried("a", 0, taking), load.tried("b", 1, taking)], load.nowMs).length > 0;
    };
    expect([isTried({ elapsedUs: 250_000 }), isTried({ elapsedUs: 254_000 })]).toEqual([true, false]);
    // Those of one function, beside many quick ones.
    const placesChange = (elapsedUs: number): boolean => {
      const load = Load.warm().run(600, { a: { ...atCompute, count: 2, elapsedUs }, b: atStorage });
      return next([load.tried("a", 0), load.tried("b", 1)], load.nowMs).length > 0;
    };
    expect([placesChange(4_000), placesChange(600_000)]).toEqual([true, false]);
    // That take as long alone, or of which as many fail at once.
    expect(isTried({ elapsedUs: 500_000 }, 300_000)).toBe(true);
    expect(isTried({ elapsedUs: 200_000, failing: 40 })).toBe(true);
  });

  test("something, where calls mostly wait for each other though the model sees room", () => {
    const load = both();
    const waits = load.tried("a", 0, { load: loadOf(400, 100, 300) });
    expect(next([waits], load.nowMs)).toEqual([["a", "storage", null]]);
    expect(next([waits], load.nowMs, { ...ONE_CORE_EACH, callers: 2 })).toEqual([]);
  });

  test("something, where calls were seen to wait longer than they take alone, though the model has nobody wait", () => {
    const triedWith = (elapsedUs: number, callers = 16) => {
      const load = Load.warm().run(500, { a: { ...atCompute, elapsedUs } });
      return next([load.tried("a", 0, { load: loadOf(400, 100) })], load.nowMs, { ...ONE_CORE_EACH, callers });
    };
    expect([triedWith(190), triedWith(210), triedWith(210, 3)]).toEqual([[], [["a", "storage", null]], []]);
  });

  test("nothing, where calls take long since their callers ask for the other side: nobody waits", () => {
    const triedWith = (a: Calls) => {
      const load = Load.warm().run(500, { a, b: { ...atCompute, ...unqueued } });
      // Alone it takes nine times as long at storage.
      const asked = load.tried("a", 0, { load: loadOf(400, 100, 0, { aloneUs: 900, latencyUs: 900 }) });
      return next([asked, load.tried("b", 0, { load: loadOf(400, 100) })], load.nowMs);
    };
    expect(triedWith({ ...atCompute, elapsedUs: 900 })).not.toEqual([]);
    expect(triedWith({ ...atStorage, elapsedUs: 900 })).toEqual([]);
  });

  test("nothing that the model has far busier, and less of that where it sees the crowd", () => {
    // It waits for nobody by the model, or for half a core; at storage it is so many times as busy.
    const isTried = (callsPerSecond: number, times: number): boolean => {
      const load = both();
      const taking = { load: loadOf(callsPerSecond, 1_000, 0, { storageUs: times * 1_000 }) };
      return next([load.tried("a", 0, taking)], load.nowMs).length > 0;
    };
    expect([isTried(900, 1.3), isTried(900, 1.5)]).toEqual([true, false]);
    expect([isTried(100, 1.5), isTried(100, 1.9), isTried(100, 2.1)]).toEqual([true, true, false]);
    // Or for each other, though cores are idle.
    const load = both();
    const waits = loadOf(100, 1_000, 2_000, { storageUs: 1_500 });
    expect(next([load.tried("a", 0, { load: waits })], load.nowMs)).toEqual([]);
  });

  test("nothing that the model has busier, and has all calls leave the side where they all were, where several functions share the cores", () => {
    const triedAt = (share: number, times: number): unknown => {
      const load = Load.warm().run(500, {
        a: [
          { ...atCompute, count: 40 * (1 - share) },
          { ...atStorage, count: 40 * share },
        ],
        b: atStorage,
      });
      const of = { load: loadOf(900, 1_000, 0, { storageUs: times * 1_000 }), bounds: [share, 1] } as const;
      const a = load.tried("a", share, of);
      const b = load.tried("b", 1, { load: loadOf(120, 1_000), bounds: [1, 1] });
      return next([a, b], load.nowMs)[0];
    };
    const alone = ["a", "storage", null];
    // 1.21, 1.33 and 1.29 times as busy.
    expect([triedAt(0, 1.08), triedAt(0, 1.2), triedAt(0.75, 1.2)]).toEqual([alone, undefined, alone]);
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

  test("what did as well, or has come to the longest back-off, after all others, and of two the one that has been due for longer", () => {
    const load = Load.warm().run(500, { a: atCompute, b: atCompute });
    const known = (untilMs: number, backOff: { readonly ms: number; readonly givesWay?: true }) => ({
      ...NO_TRIALS,
      backOffs: new Map([["storage", { untilMs, ...backOff }]]),
    });
    const tied = (untilMs: number) => known(untilMs, { ms: 4_000, givesWay: true });
    const hopeless = (untilMs: number) => known(untilMs, { ms: 60_000 });
    const none = loadOf(100);
    const chosen = (a: Trials, b: Trials) =>
      next([load.tried("a", 0, { trials: a }), load.tried("b", 0, { trials: b, load: none })], load.nowMs)[0]?.[0];
    expect(chosen(NO_TRIALS, NO_TRIALS)).toBe("a");
    expect(chosen(tied(-1), NO_TRIALS)).toBe("b");
    expect(chosen(tied(-1), tied(-2))).toBe("b");
    expect(chosen(tied(-2), tied(-1))).toBe("a");
    // Else few that are tried first would take turns for ever.
    expect(chosen(hopeless(-1), NO_TRIALS)).toBe("b");
    expect(chosen(hopeless(-1), tied(-2))).toBe("b");
    expect(chosen(hopeless(-2), tied(-1))).toBe("a");
    expect(chosen(known(-1, { ms: 32_000 }), NO_TRIALS)).toBe("a");
    expect(chosen(hopeless(-600_000), NO_TRIALS), "it is forgotten").toBe("a");
  });

  test("no small change, nothing that has proved better where it is or was no good just now, and no side that is cold", () => {
    const load = both();
    const nearly = load.tried("a", 0.95, { isWarm: { compute: false, storage: true } });
    expect(next([{ ...nearly, profile: load.profiles.get("b")! }], load.nowMs)).toEqual([]);
    const held = (refutedShare: number, isFirm: boolean, doubtedMs?: number) => {
      const firmUntilMs = isFirm ? Infinity : -Infinity;
      const promise = { sinceMs: 0, untilMs: Infinity, promisedUs: 1, refutedShare, firmUntilMs };
      const trials = { ...NO_TRIALS, held: doubtedMs === undefined ? promise : { ...promise, doubtedMs } };
      return next([load.tried("a", 0, { trials })], load.nowMs);
    };
    expect(held(1, false)).toEqual([]);
    expect(held(1, false, 1), "what is doubted is looked at anew").toEqual([["a", "storage", null]]);
    // Along with others: after a trial of theirs it is tried where it is itself no better, after a mistake of the model's it is not.
    expect(held(0, false)).toEqual([["a", "storage", null]]);
    expect(held(0, true)).toEqual([]);
    const no = { ...NO_TRIALS, backOffs: new Map([["storage", { ms: 1_000, untilMs: load.nowMs + 1 }]]) };
    expect(next([load.tried("a", 0, { trials: no })], load.nowMs)).toEqual([]);
  });

  test("that two change places that have proved better where they are, unless that is what did worse as a whole", () => {
    const load = both();
    const heldAgainst = (refutedShare: number, isBesideOthers?: true): Trials => ({
      ...NO_TRIALS,
      keptMs: 100,
      held: {
        sinceMs: 0,
        untilMs: Infinity,
        promisedUs: 1,
        refutedShare,
        firmUntilMs: -Infinity,
        ...(isBesideOthers && { isBesideOthers }),
      },
    });
    const nextBeside = (ofA: Trials, ofB: Trials = NO_TRIALS) => {
      const b = load.tried("b", 1, { isWarm: { compute: true, storage: false }, trials: ofB });
      return next([load.tried("a", 0, { trials: ofA }), b], load.nowMs)[0];
    };
    const pair = ["a", "storage", "b"];
    expect(nextBeside(heldAgainst(0.5), heldAgainst(0))).toEqual(pair);
    expect(nextBeside(heldAgainst(0.9)), "the other one does something else then").toEqual(pair);
    expect(nextBeside(heldAgainst(0.9), heldAgainst(0.1))).toBeUndefined();
    expect(nextBeside(heldAgainst(0.9, true), heldAgainst(0.1)), "a third has moved since").toEqual(pair);
    const over = { ...NO_TRIALS, keptMs: 100 };
    expect(nextBeside(heldAgainst(0.9), over), "of one trial, though one is held for it no more").toBeUndefined();
    expect(nextBeside(heldAgainst(0.9), { ...over, keptMs: 99 })).toEqual(pair);
  });

  test("what has proved better where it is, where a trial has moved others since", () => {
    const load = both();
    const held = { sinceMs: 0, untilMs: Infinity, promisedUs: 1, refutedShare: 1, firmUntilMs: -Infinity };
    const nextOf = (more: object) =>
      next([load.tried("a", 0, { trials: { ...NO_TRIALS, held: { ...held, ...more } } })], load.nowMs);
    expect([nextOf({}), nextOf({ isBesideOthers: true })]).toEqual([[], [["a", "storage", null]]]);
  });

  test("what has come to ties is looked at twice as long with each, and four times at most", () => {
    const warm = Load.warm().run(500, { a: atCompute, b: atCompute });
    const looksAfter = (ties?: number, load = warm): number | undefined => {
      const { load: loads } = load.tried("a", 0);
      const tie = { ms: 0, untilMs: 0, ...(ties !== undefined && { ties }) };
      const trials = { ...NO_TRIALS, backOffs: new Map([["storage", tie]]) };
      const all = [load.tried("a", 0, { trials }), load.tried("b", 0, { isFree: false })];
      const use = poolUse([loads, loads], ONE_CORE_EACH);
      return nextTrial(all, use, ONE_CORE_EACH, { nowMs: load.nowMs, heardMs: load.nowMs })[0]?.looks;
    };
    expect([looksAfter(), looksAfter(1), looksAfter(2), looksAfter(9)]).toEqual([1, 2, 4, 4]);
    const cold = new Load().warm({ a: [atCompute], b: [atCompute] }).run(500, { a: atCompute, b: atCompute });
    expect(looksAfter(2, cold), "its code has still to be compiled").toBe(1);
  });

  test("nothing for a while after a trial: longer with each that came to nothing, whatever it tried, and ten seconds at most", () => {
    const load = both();
    const isTried = (agoMs: number, ...fruitless: readonly [number, number]) => {
      const [a, b] = fruitless.map((one) => ({ ...NO_TRIALS, endedMs: load.nowMs - agoMs, fruitless: one }));
      const all = [load.tried("a", 0, { trials: a! }), load.tried("b", 1, { trials: b! })];
      return next(all, load.nowMs).length > 0;
    };
    expect([isTried(200, 0, 0), isTried(225, 0, 0)]).toEqual([false, true]);
    // 225 ms, and half as much again for each of three.
    expect([isTried(759, 1, 2), isTried(760, 1, 2)]).toEqual([false, true]);
    expect([isTried(9_999, 20, 20), isTried(10_000, 20, 20)]).toEqual([false, true]);
  });

  test("nothing, before the calls of those that do the work have been what they are for half a second", () => {
    const load = both();
    const isTried = (a: Partial<Tried>, b: Partial<Tried> = {}) =>
      next([load.tried("a", 0, a), load.tried("b", 1, b)], load.nowMs).length > 0;
    const sinceMs = load.nowMs - 475;
    expect([isTried({ sinceMs }), isTried({}, { sinceMs }), isTried({ sinceMs: load.nowMs - 500 })]).toEqual([
      false,
      false,
      true,
    ]);
    // As often as they like, if they do hardly anything.
    expect(isTried({}, { sinceMs, load: loadOf(1) })).toBe(true);
  });

  describe("nothing, before what trials have cost", () => {
    /** So long after one, before which what was to be paid was so at `paidMs`. */
    const isTried = (agoMs: number, ratio: number, paidMs = 0, tookMs = 150) => {
      const begun = both().tried("a", 0, { trials: { ...running("storage", -tookMs), paidMs } });
      const ended = trialsAfter(begun, { came: "worse", ratio }, 0, { modelError: 1, isThird: false });
      const trials = { ...ended, backOffs: NO_TRIALS.backOffs };
      const after = Load.warm().run(agoMs, { a: atCompute });
      return next([after.tried("a", 0, { trials })], after.nowMs).length > 0;
    };

    test("is 1.5 % of what was done since", () => {
      // Of 150 ms in which calls took half as long again 50 are lost.
      expect([isTried(3_325, 1.5), isTried(3_350, 1.5)]).toEqual([false, true]);
      expect(isTried(500, 1)).toBe(true);
      // What was not paid then is paid as well; and ten seconds later it is, whatever it was.
      expect([isTried(4_325, 1.5, 1_000), isTried(4_350, 1.5, 1_000)]).toEqual([false, true]);
      expect([isTried(9_975, 1e6, 9_000), isTried(10_000, 1e6, 9_000)]).toEqual([false, true]);
    });

    test("is that, but for 150 ms that were saved", () => {
      // 100 ms.
      expect([isTried(500, 3, -6_100), isTried(500, 3, -6_200)]).toEqual([false, true]);
      // 180 ms.
      expect([isTried(1_975, 4, -Infinity, 240), isTried(2_025, 4, -Infinity, 240)]).toEqual([false, true]);
    });

    test("is paid, whoever was tried; and who is tried next goes on from there", () => {
      const load = both();
      const { nowMs } = load;
      const after = (paidMs: number) => {
        const b = load.tried("b", 1, { trials: { ...NO_TRIALS, paidMs } });
        const all = [load.tried("a", 0), b];
        const use = poolUse(
          all.map((one) => one.load),
          ONE_CORE_EACH,
        );
        return nextTrial(all, use, ONE_CORE_EACH, { nowMs, heardMs: nowMs }).map((step) => step.paidMs);
      };
      expect([after(nowMs + 1), after(nowMs)]).toEqual([[], [nowMs, nowMs]]);
    });
  });

  test("nothing of a function whose callers ask for the other side, or for this one", () => {
    const load = both();
    expect(next([load.tried("a", 1)], load.nowMs)).toEqual([]);
    const fixed = (compute: number) => ({ ...loadOf(400 - compute), fixedPerSecond: { compute, storage: 0 } });
    expect(next([load.tried("a", 0, { load: fixed(40) })], load.nowMs)).toEqual([["a", "storage", null]]);
    expect(next([load.tried("a", 0, { load: fixed(80) })], load.nowMs)).toEqual([]);
  });
});
