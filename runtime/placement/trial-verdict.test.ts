import { describe, expect, test } from "vitest";
import type { Side } from "#runtime/profile/sample.ts";
import type { Calls } from "./played-calls.ts";
import { atCompute, atStorage, isHeldAlone, Load, loadOf, running } from "./played-load.ts";
import { isThirdPlan, trialCostMs, type Told, trialsAfter, type Verdict, verdictOf } from "./trial-verdict.ts";
import { NO_TRIALS, patienceOf, type Running, type Shown, trialsAfterShift, type Trials } from "./trials.ts";
import { isProved, type Tried } from "./tried-function.ts";

const GONE = { came: "gone", ratio: null } as const;

/** Where no other took part. */
const afterTrial = (tried: Tried, verdict: Verdict, nowMs: number, of: Partial<Told> = {}): Trials =>
  trialsAfter(tried, verdict, nowMs, { modelError: 1, isThird: isThirdPlan([tried]), ...of });

describe("what came of a trial", () => {
  /** `a` goes from compute to storage at 500 ms; its calls take so many times as long there. */
  const cameOf = (ms: number, factor: number, side: Side = "storage") => {
    const load = Load.warm().run(500, { a: atCompute });
    load.run(ms, { a: { side, count: Math.round(40 / factor), elapsedUs: 4_000 * factor } });
    const tried = load.tried("a", 1, { trials: running("storage", 500) });
    return verdictOf([tried], [tried], load.nowMs)?.came ?? null;
  };

  test("is told after 175 ms, and what is clearly worse after 125", () => {
    expect(cameOf(150, 0.5)).toBeNull();
    expect(cameOf(175, 0.5)).toBe("better");
    expect(cameOf(175, 1)).toBe("dropped");
    expect(cameOf(100, 2)).toBeNull();
    expect(cameOf(125, 2)).toBe("lost");
  });

  test("is looked at for longer after ties, beside as much before it, and has less to show then", () => {
    const slow = { ...atCompute, elapsedUs: 8_000, count: 20 };
    const cameAfter = (ms: number, factor: number, looks?: number, beforeMs?: number, lately: Calls = atCompute) => {
      const load = Load.warm().run(400, { a: atCompute }).run(100, { a: lately });
      load.run(ms, { a: { ...atStorage, elapsedUs: 4_000 * factor } });
      const trials = running("storage", 500);
      const how = { ...(looks !== undefined && { looks }), ...(beforeMs !== undefined && { beforeMs }) };
      const tried = load.tried("a", 1, { trials: { ...trials, running: { ...trials.running!, ...how } } });
      return verdictOf([tried], [tried], load.nowMs)?.came ?? null;
    };
    expect([cameAfter(250, 0.5, 2), cameAfter(275, 0.5, 2)]).toEqual([null, "better"]);
    expect([cameAfter(450, 0.5, 4), cameAfter(475, 0.5, 4)]).toEqual([null, "better"]);
    expect([
      cameAfter(475, 0.96),
      cameAfter(475, 0.96, 4, 400),
      cameAfter(475, 0.96, 4),
      cameAfter(475, 0.98, 4, 400),
    ]).toEqual(["dropped", "better", "dropped", "dropped"]);
    // Most of the last 150 ms before it were slow, and little of the last 400.
    const beside = (beforeMs?: number) => cameAfter(475, 1.2, 4, beforeMs, slow);
    expect([beside(), beside(400)]).toEqual(["better", "dropped"]);
  });

  describe("where cores were slowed", () => {
    const slowed = { usage: { cpuUs: 100, slowedUs: 60 } };
    const usual = { usage: { cpuUs: 100 } };
    /** What comes of a trial of storage in which calls take so long, of 4 ms before it and since. */
    const endOf = (before: Partial<Calls>, meanwhile: Partial<Calls>, since: Partial<Calls>, tookUs = 2_000) => {
      const load = Load.warm().run(500, { a: { ...atCompute, ...usual, ...before } });
      load.run(175, { a: { ...atStorage, ...usual, elapsedUs: tookUs, ...meanwhile } });
      const begun = [load.tried("a", 1, { trials: running("storage", 500) })];
      const first = verdictOf(begun, begun, load.nowMs)!;
      const ended = begun[0]!;
      if (first.came !== "better" && first.came !== "lost") return { ended, verdict: first as Verdict };
      const shown: Shown = { came: first.came, ratio: first.ratio, fromMs: 575, toMs: load.nowMs };
      const checked: Trials = { ...NO_TRIALS, running: { ...running("storage", 500).running!, shown } };
      load.run(175, { a: { ...atCompute, ...usual, ...since } });
      const back = load.tried("a", 0, { trials: checked });
      return { ended: back, verdict: verdictOf([back], [back], load.nowMs) as Verdict };
    };
    const cameWith = (...how: Parameters<typeof endOf>) => endOf(...how).verdict.came;

    test("before it, while it ran or since, that is not its doing, and it is not judged", () => {
      expect(cameWith({}, {}, {})).toBe("kept");
      expect(cameWith(slowed, {}, {})).toBe("slowed");
      expect(cameWith({}, { ...slowed, elapsedUs: 9_000 }, {})).toBe("slowed");
      expect(cameWith({}, {}, slowed)).toBe("slowed");
      expect(cameWith(slowed, slowed, slowed)).toBe("kept");
    });

    test("nor is it worse because it looked so until then", () => {
      expect(cameWith({}, {}, {}, 9_000)).toBe("worse");
      expect(cameWith({}, {}, slowed, 9_000)).toBe("slowed");
      // A little slower before, and quicker since.
      const slower = (slowedUs: number): Partial<Calls> => ({ usage: { cpuUs: 100, slowedUs } });
      expect(cameWith(slower(17), slower(50), {}, 6_000)).toBe("slowed");
    });

    test("nor where so few end since that nothing tells", () => {
      const { ended } = endOf({}, {}, {}, 9_000);
      const load = Load.warm().run(500, { a: { ...atCompute, ...usual } });
      load.run(175, { a: { ...atStorage, ...usual, elapsedUs: 9_000 } });
      load.run(500, { a: { ...atCompute, ...slowed, count: 1, elapsedUs: 9_000 } });
      const back = load.tried("a", 0, { trials: ended.trials });
      expect(verdictOf([back], [back], load.nowMs)?.came).toBe("slowed");
    });

    test("it is not tried again at once, nor for longer each time, and has cost nothing; what is known of it is not forgotten", () => {
      const { ended, verdict } = endOf({}, { ...slowed, elapsedUs: 15_000 }, {});
      const after = afterTrial(ended, verdict, 675);
      expect(after.backOffs.get("storage")).toEqual({ ms: 0, untilMs: 1_175, isSlowed: true });
      expect([after.paidMs, after.fruitless]).toEqual([-Infinity, 0]);
      const tie = { ms: 2_000, untilMs: 0, givesWay: true, goneMs: 2_000, ties: 2 } as const;
      const trials = { ...ended.trials, backOffs: new Map([["storage", tie]]) };
      const again = afterTrial({ ...ended, trials }, verdict, 5_000);
      expect(again.backOffs.get("storage")).toEqual({ ...tie, untilMs: 5_500, isSlowed: true });
    });

    test("what was no good long ago may be by now", () => {
      const { ended, verdict } = endOf({}, { ...slowed, elapsedUs: 15_000 }, {});
      const known = { compute: { ms: 1_000, untilMs: 1_000 }, "storage b": { ms: 1_000, untilMs: 1_001 } };
      const trials = { ...ended.trials, backOffs: new Map(Object.entries(known)) };
      const keysAfter = (came: Verdict) => [...afterTrial({ ...ended, trials }, came, 601_000).backOffs.keys()];
      expect([keysAfter(verdict), keysAfter(GONE)]).toEqual([
        ["storage b", "storage"],
        ["storage b", "storage"],
      ]);
    });

    test("calls of it may not be over yet, though it looked clearly worse until then", () => {
      const endedMs = ({ ended, verdict }: ReturnType<typeof endOf>) => afterTrial(ended, verdict, 800).endedMs;
      expect([endedMs(endOf({}, {}, slowed, 9_000)), endedMs(endOf({}, {}, {}, 9_000))]).toEqual([800, 675]);
    });

    test("what was refuted once binds nobody again for it", () => {
      const { ended, verdict } = endOf({}, { ...slowed, elapsedUs: 15_000 }, {});
      const promised = { promisedUs: 1, promisedBytes: 1, modelError: 1 };
      const refutation = { atMs: 0, sinceMs: 0, fromShare: 0, ...promised };
      const trials = { ...ended.trials, backOffs: new Map([["storage", { ms: 4_000, untilMs: 0, refutation }]]) };
      const { backOffs } = afterTrial({ ...ended, trials }, verdict, 5_000);
      expect(backOffs.get("storage")).toEqual({ ms: 4_000, untilMs: 5_500, isSlowed: true });
    });

    test("in two trials of the same in a row, that is how the side is, and it is judged", () => {
      const load = Load.warm().run(500, { a: { ...atCompute, ...usual } });
      load.run(175, { a: { ...atStorage, ...slowed, elapsedUs: 10_000 } });
      const isSlowed = new Map([["storage", { ms: 0, untilMs: 400, isSlowed: true } as const]]);
      const cameIn = (backOffs: Trials["backOffs"]) => {
        const tried = load.tried("a", 1, { trials: { ...running("storage", 500), backOffs } });
        return verdictOf([tried], [tried], load.nowMs)?.came;
      };
      expect([cameIn(NO_TRIALS.backOffs), cameIn(isSlowed)]).toEqual(["slowed", "lost"]);
      // Nor is it in a row with one of ten seconds ago.
      const slowedUntil = (untilMs: number) => new Map([["storage", { ms: 0, untilMs, isSlowed: true } as const]]);
      expect([cameIn(slowedUntil(-9_500)), cameIn(slowedUntil(-9_499))]).toEqual(["slowed", "lost"]);
      const ended = load.tried("a", 1, { trials: { ...running("storage", 500), backOffs: isSlowed } });
      const { backOffs } = afterTrial(ended, { came: "worse", ratio: 2.5 }, 675);
      expect(backOffs.get("storage")).not.toHaveProperty("isSlowed");
    });
  });

  test("is nothing where callers ask for the other side, however long their calls take", () => {
    expect(cameOf(200, 1, "compute")).toBeNull();
    expect(cameOf(200, 2, "compute")).toBeNull();
    expect(cameOf(500, 2, "compute")).toBe("void");
  });

  test("on a side that is cold is told by the calls since its code is compiled, or by the last of them", () => {
    const cameAfter = (coldMs: number, ms: number, elapsedUs = 6_000, calm: Pick<Running, "isCalm"> = {}) => {
      const load = new Load().warm({ a: [atCompute] }).run(500, { a: atCompute });
      // Eight calls a window: 128 are not reached; then forty, and in four windows they are.
      const few = { ...atStorage, count: 8, elapsedUs };
      load.run(coldMs, { a: few }).run(ms, { a: { ...atStorage, elapsedUs: 2_000 } });
      const trials = running("storage", 500);
      const tried = load.tried("a", 1, { trials: { ...trials, running: { ...trials.running!, ...calm } } });
      return verdictOf([tried], [tried], load.nowMs);
    };
    expect(cameAfter(150, 0)).toBeNull();
    expect(cameAfter(150, 125)).toBeNull();
    expect(cameAfter(150, 150)).toEqual({ came: "better", ratio: 0.5, fromMs: 699 });
    // It never gets there: what counts is the end of the longest trial.
    expect(cameAfter(425, 0)).toBeNull();
    expect(cameAfter(500, 0)).toEqual({ came: "lost", ratio: 1.5, fromMs: 899 });
    // No compiler makes that good.
    expect(cameAfter(100, 0, 12_000)).toBeNull();
    expect(cameAfter(175, 0, 12_000)).toEqual({ came: "lost", ratio: 3, fromMs: 575 });
    expect([cameAfter(175, 0, 9_000), cameAfter(250, 0, 9_000)]).toEqual([null, null]);
    expect(cameAfter(275, 0, 9_000)).toEqual({ came: "lost", ratio: 2.25, fromMs: 575 });
    // It may be good for more of what a single caller waits for.
    expect(cameAfter(175, 0, 12_000, { isCalm: true })).toBeNull();
    expect(cameAfter(175, 0, 24_000, { isCalm: true })).toEqual({ came: "lost", ratio: 6, fromMs: 575 });
  });

  test("that was begun where nothing is crowded holds nothing and refutes nothing in a crowd, and is made again later and later", () => {
    const load = Load.warm().run(500, { a: atCompute }).run(175, { a: atStorage });
    const begun = running("storage", 500);
    const calm = { ...begun, running: { ...begun.running!, isCalm: true } } as const;
    const after = (verdict: Parameters<typeof trialsAfter>[1], before: Trials = NO_TRIALS) =>
      afterTrial(load.tried("a", 1, { trials: { ...before, running: calm.running } }), verdict, load.nowMs);
    const inCrowd = { keptSide: "compute", keptMs: load.nowMs - 1, contradicted: 1 } as const;
    for (const came of ["kept", "as-good"] as const) {
      const ended = after({ came, ratio: 0.5 }, { ...NO_TRIALS, ...inCrowd });
      expect(ended).toMatchObject({ ...inCrowd, held: null, running: null, fruitless: 0 });
    }
    expect(after({ came: "worse", ratio: 2 }).backOffs.get("storage")).not.toHaveProperty("refutation");
    for (const verdict of [
      { came: "dropped", ratio: 1.02 },
      { came: "gone", ratio: null },
    ] as const) {
      let trials: Trials = NO_TRIALS;
      const waits: number[] = [];
      for (let time = 0; time < 8; time++) {
        trials = after(verdict, trials);
        waits.push(trials.backOffs.get("storage")!.ms);
      }
      expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
      expect(trials.fruitless).toBe(8);
    }
  });

  test("in which few calls end where many were to be expected has cost as much", () => {
    const verdictAfter = (before: number) => {
      const load = Load.warm().run(500, { a: { ...atCompute, count: before } });
      load.run(500, { a: { ...atStorage, count: 1 } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs);
    };
    expect(verdictAfter(4)).toEqual({ came: "dropped", ratio: 4 });
    expect(verdictAfter(1)).toEqual({ came: "dropped", ratio: null });
  });

  test("counts for all that are called", () => {
    const load = Load.warm().run(500, { a: atCompute, b: atStorage });
    load.run(175, { a: { ...atStorage, elapsedUs: 3_000 }, b: { ...atStorage, elapsedUs: 6_000 } });
    const tried = load.tried("a", 1, { trials: running("storage", 500) });
    expect(verdictOf([tried], [tried, load.tried("b", 1)], load.nowMs)).toMatchObject({ came: "dropped" });
  });

  test("is not told by calls that were under way when it began", () => {
    const load = Load.warm().run(500, { a: atCompute });
    load.run(75, { a: { ...atStorage, elapsedUs: 20_000 } }).run(100, { a: { ...atStorage, elapsedUs: 3_000 } });
    const tried = load.tried("a", 1, { trials: running("storage", 500) });
    expect(verdictOf([tried], [tried], load.nowMs)).toEqual({ came: "better", ratio: 0.75, fromMs: 575 });
  });

  test("is no better for calls that are over at once since they fail", () => {
    const cameWith = (failing: number) => {
      const load = Load.warm()
        .run(500, { a: atCompute })
        .run(175, { a: { ...atStorage, elapsedUs: 3_000, failing } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs);
    };
    expect(cameWith(0)).toMatchObject({ came: "better", ratio: 0.75 });
    expect(cameWith(40)).toEqual({ came: "lost", ratio: 1.5, fromMs: 575 });
  });

  test("is nothing where callers have gone, though what is left takes less", () => {
    const cameWith = (count: number) => {
      const load = Load.warm().run(500, { a: atCompute });
      load.run(175, { a: { ...atStorage, count, elapsedUs: 2_000 } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs)?.came;
    };
    expect([cameWith(40), cameWith(20)]).toEqual(["better", "void"]);
  });

  test("is nothing where nobody called for a while, and told where all waited for as long", () => {
    const slow = { ...atCompute, elapsedUs: 40_000 };
    const cameWith = (elapsedUs: number, short = 0) => {
      const load = Load.warm().run(500, { a: slow }).run(25, { a: atStorage }).run(100, {});
      const kinds = [
        { ...atStorage, elapsedUs },
        { ...atStorage, count: short, elapsedUs: 1_000 },
      ];
      load.run(25, { a: kinds }).run(25, { a: { ...atStorage, elapsedUs } });
      const tried = load.tried("a", 1, { trials: running("storage", 500) });
      return verdictOf([tried], [tried], load.nowMs)?.came;
    };
    expect([cameWith(20_000), cameWith(100_000)]).toEqual(["void", "lost"]);
    // As many have waited, and many more came and went behind them.
    expect(cameWith(100_000, 100)).not.toBe("void");
  });

  test("is nothing where nobody calls any more, and is not tried again at once", () => {
    const load = Load.warm().run(525, { a: atCompute, b: atCompute }).run(50, { b: atCompute });
    const trials = running("storage", 500);
    const tried = load.tried("a", 1, { trials });
    expect(verdictOf([tried], [tried, load.tried("b", 0)], load.nowMs)).toBeNull();
    load.run(25, { b: atCompute });
    const verdict = verdictOf([tried], [tried, load.tried("b", 0)], load.nowMs);
    expect(verdict).toEqual(GONE);
    const once = afterTrial(tried, GONE, load.nowMs);
    expect(once).toMatchObject({ running: null, fruitless: 0 });
    expect(once.backOffs.get("storage")).toEqual({ ms: 0, untilMs: load.nowMs + 1_000, givesWay: true, goneMs: 1_000 });
    const after = (ms: number, goneMs?: number) => {
      const backOff = { ms, untilMs: load.nowMs + 59_000, ...(goneMs !== undefined && { goneMs }) };
      const again = { ...tried, trials: { ...trials, backOffs: new Map([["storage", backOff]]) } };
      return afterTrial(again, GONE, load.nowMs + 60_000).backOffs.get("storage");
    };
    const rest = (ms: number, goneMs: number) => ({
      ms,
      untilMs: load.nowMs + 60_000 + goneMs,
      givesWay: true,
      goneMs,
    });
    expect([after(0, 1_000), after(0, 2_000), after(0, 4_000)]).toEqual([
      rest(0, 2_000),
      rest(0, 4_000),
      rest(0, 4_000),
    ]);
    expect(after(60_000), "what was known of it is not forgotten").toEqual(rest(60_000, 1_000));
    const tied = { ...trials, backOffs: new Map([["storage", { ms: 1_000, untilMs: 0, ties: 2 }]]) };
    const tiesAfter = (verdict: Verdict) =>
      afterTrial({ ...tried, trials: tied }, verdict, load.nowMs).backOffs.get("storage")?.ties;
    expect([tiesAfter(GONE), tiesAfter({ came: "worse", ratio: 2 })]).toEqual([2, undefined]);
    expect(tiesAfter({ came: "kept", ratio: 0.8 }), "another plan is held against it from now on").toBeUndefined();
  });

  test("is nothing at once where one of the two that changed places takes part no more", () => {
    const load = Load.warm().run(500, { a: atCompute, b: atStorage }).run(25, { a: atStorage, b: atCompute });
    const tried = load.tried("a", 1, { trials: running("storage", 500, "b") });
    const other = load.tried("b", 0, { trials: running("compute", 500, "a") });
    expect(verdictOf([tried, other], [tried, other], load.nowMs)).toBeNull();
    expect(verdictOf([tried], [tried, load.tried("b", 0)], load.nowMs)).toMatchObject({ came: "void" });
  });
});

describe("what did better in a trial", () => {
  /** `a` was at storage from 500 to 675 ms, where its calls took 3 ms, and has been back since. */
  const since = (
    ms: number,
    calls: Readonly<Record<string, Calls>>,
    before = Load.warm().run(500, { a: atCompute }),
  ) => {
    const load = before.run(175, { a: { ...atStorage, count: 53, elapsedUs: 3_000 } }).run(ms, calls);
    const shown = { came: "better", fromMs: load.nowMs - ms - 100, toMs: load.nowMs - ms, ratio: 0.75 } as const;
    const begun = { ...running("storage", load.nowMs - ms - 175).running!, shown };
    const tried = load.tried("a", 0, { trials: { ...NO_TRIALS, running: begun } });
    return { load, tried, verdict: verdictOf([tried], [tried], load.nowMs) };
  };
  /** So many times what they took before, and as many fewer. */
  const back = (times: number) => ({ a: { ...atCompute, count: Math.round(40 / times), elapsedUs: 4_000 * times } });

  test("is kept if calls take longer again after it; what it came to is the mean of both", () => {
    expect(since(150, back(1)).verdict).toBeNull();
    const { verdict } = since(175, back(1));
    expect(verdict).toEqual({ came: "kept", ratio: expect.closeTo(0.75) });
    expect(since(175, back(1.2)).verdict).toEqual({ came: "kept", ratio: expect.closeTo(Math.sqrt(0.75 * 0.625)) });
  });

  describe("where one side does what both did", () => {
    const LOOK_MS = 25;
    /** `isUneven`: as long for their callers, but every other one is in the sandbox for forty times as long. */
    const calls = (side: Side, count: number, times: number, isUneven: boolean): readonly Calls[] => {
      const all = { side, count, elapsedUs: 4_000 * times };
      const dear = Math.ceil(count / 2);
      const kinds = isUneven
        ? [
            { ...all, count: count - dear, usage: { wallUs: 100 } },
            { ...all, count: dear, usage: { wallUs: 4_000 } },
          ]
        : [all];
      return kinds.filter((kind) => kind.count > 0);
    };
    /** Half of its calls are on either side, then all at compute, then half again: what a call takes, to what it took before; `ends`: to how many ended then. */
    const cameOf = ({
      trial = { times: 0.98, ends: 1 },
      back = { times: 1, ends: 1 },
      trialMs = 175,
      fromShare = 0.5,
      isUneven = false,
      trials = {},
      beside = {},
    }: {
      readonly trial?: { readonly times: number; readonly ends: number };
      readonly back?: { readonly times: number; readonly ends: number };
      readonly trialMs?: number;
      readonly fromShare?: number;
      readonly isUneven?: boolean;
      readonly trials?: Partial<Trials>;
      readonly beside?: Partial<Trials>;
    }) => {
      const load = Load.warm();
      const play = (ms: number, share: number, { times, ends }: { readonly times: number; readonly ends: number }) => {
        for (let at = 0; at < ms; at += LOOK_MS) {
          const [here, there] = [Math.round(20 * (1 - share) * ends), Math.round(20 * share * ends)];
          load.run(LOOK_MS, {
            a: [...calls("compute", here, times, isUneven), ...calls("storage", there, times, isUneven)],
            b: { ...atCompute, count: 1 },
          });
        }
      };
      play(700, fromShare, { times: 1, ends: 1 });
      const startedMs = load.nowMs;
      const begun = { ...running("compute", startedMs).running!, fromShare };
      const other = load.tried("b", 0, { load: loadOf(400, 40), trials: { ...NO_TRIALS, ...beside } });
      const cameFor = (share: number, now: typeof begun, shown: Shown | null) => {
        const one = load.tried("a", share, { trials: { ...NO_TRIALS, ...trials, running: { ...now, shown } } });
        return verdictOf([one], [one, other], load.nowMs);
      };
      play(trialMs, 0, trial);
      const better = cameFor(0, begun, null);
      if (better === null || !("fromMs" in better)) return better?.came ?? null;
      const shown = { ...better, toMs: load.nowMs };
      play(175, fromShare, back);
      return cameFor(fromShare, begun, shown)?.came ?? null;
    };

    test("is as good where calls take no longer than with both, twice", () => {
      expect(cameOf({})).toBe("as-good");
      expect(cameOf({ trial: { times: 1.02, ends: 1 } })).toBe("dropped");
      expect(cameOf({ back: { times: 0.95, ends: 1 } }), "they take less by and by").toBe("dropped");
    });

    test("is kept as any other where it does clearly better", () => {
      expect(cameOf({ trial: { times: 0.8, ends: 1.25 } })).toBe("kept");
    });

    test("is as good whatever the noise, by which another trial that came to as much goes on", () => {
      const uneven = { isUneven: true, trial: { times: 0.9, ends: 1.1 } } as const;
      expect(cameOf({ ...uneven, fromShare: 1 })).toBeNull();
      expect(cameOf(uneven)).toBe("as-good");
    });

    test("is a proof where a gain that was not clear at first is so in both halves", () => {
      const first = { isUneven: true, trial: { times: 0.8, ends: 1.25 } } as const;
      expect(cameOf({ ...first, fromShare: 1 })).toBeNull();
      expect(cameOf({ ...first, back: { times: 1.6, ends: 0.63 } })).toBe("kept");
      expect(cameOf({ ...first, back: { times: 0.9, ends: 1.1 } })).toBe("as-good");
    });

    test("is not where more than half of its calls change sides", () => {
      expect(cameOf({ fromShare: 0.4 })).toBe("as-good");
      expect(cameOf({ fromShare: 0.6 })).toBe("dropped");
    });

    test("is not what changes sides, and not where trials of any function have contradicted each other", () => {
      const long = { trialMs: 300 };
      expect(cameOf(long)).toBe("as-good");
      expect(cameOf({ ...long, fromShare: 1 })).toBe("dropped");
      expect(cameOf({ ...long, trials: { contradicted: 1, keptMs: 900 } })).toBe("dropped");
      expect(cameOf({ ...long, beside: { contradicted: 1, keptMs: 900 } })).toBe("dropped");
    });

    test("is not where callers have gone or come", () => {
      expect(cameOf({ trial: { times: 0.98, ends: 0.7 } })).toBe("dropped");
      expect(cameOf({ back: { times: 1, ends: 0.6 } })).toBe("dropped");
      expect(cameOf({ back: { times: 1, ends: 1.6 } })).toBe("dropped");
    });
  });

  test("is dropped if they take no longer: what calls take has changed by itself", () => {
    expect(since(500, back(0.75)).verdict).toEqual({ came: "dropped", ratio: expect.closeTo(Math.sqrt(0.75)) });
    expect(since(175, back(0.6)).verdict).toEqual({ came: "dropped", ratio: expect.closeTo(Math.sqrt(0.75 * 1.25)) });
  });

  test("is looked at for longer where both halves together say that it is a gain; it has to show half as much in the second one then", () => {
    const after = (ms: number, times: number) => since(ms, back(times)).verdict?.came;
    expect([175, 475].map((ms) => after(ms, 0.78))).toEqual([undefined, undefined]);
    expect([after(500, 0.78), after(500, 0.765)]).toEqual(["kept", "dropped"]);
    // Not where calls take clearly less now than in it.
    expect([after(175, 0.72), after(175, 0.7)]).toEqual([undefined, "dropped"]);
  });

  test("is kept where hardly any call ends after it", () => {
    const few = { a: { ...atCompute, count: 1 } };
    expect(since(475, few).verdict).toBeNull();
    expect(since(500, few).verdict).toMatchObject({ came: "kept" });
    // Each takes as little as in the trial: callers have gone.
    const gone = { a: { ...atCompute, count: 1, elapsedUs: 3_000 } };
    expect(since(500, gone).verdict).toMatchObject({ came: "dropped" });
  });

  test("is held against nothing before its calls are back, and is not over while they may still be under way", () => {
    const ofTrial = { a: { ...atStorage, count: 53, elapsedUs: 3_000 } };
    expect(since(175, ofTrial).verdict).toBeNull();
    expect(since(500, ofTrial).verdict).toMatchObject({ came: "void" });
    const slow = Load.warm().run(1_000, { a: { ...atCompute, count: 4, elapsedUs: 200_000 } });
    expect(since(300, {}, slow).verdict).toBeNull();
    const slower = Load.warm().run(1_000, { a: { ...atCompute, count: 4, elapsedUs: 200_000 } });
    expect(since(325, {}, slower).verdict).toMatchObject({ came: "gone" });
  });

  test("is dropped where calls differ so much that chance may have done it", () => {
    const mixed = (): Load => {
      const load = Load.warm();
      for (let at = 0; at < 20; at++) {
        const usage = { wallUs: at % 5 === 0 ? 40_000 : 100 };
        load.run(25, { a: { ...atCompute, usage } });
      }
      return load;
    };
    const load = mixed();
    // For as long as it may yet be told it is looked at: that costs nothing.
    expect(since(175, back(0.9), load).verdict).toBeNull();
    expect(since(500, back(0.8), mixed()).verdict).toMatchObject({ came: "dropped" });
    expect(since(175, back(0.9)).verdict).toMatchObject({ came: "kept" });
  });

  test("is without a verdict where callers have come or gone, or others' calls come or change", () => {
    for (const [count, elapsedUs] of [
      [80, 6_000],
      [20, 3_000],
    ] as const) {
      const others = { a: { ...atCompute, count, elapsedUs } };
      // Or calls are only on their way back.
      expect(since(175, others).verdict).toBeNull();
      expect(since(500, others).verdict).toMatchObject({ came: "void" });
    }
    expect(since(175, { ...back(1), b: atCompute }).verdict).toMatchObject({ came: "kept" });
    const { load, tried } = since(175, { ...back(1), b: atCompute });
    const verdictBeside = (other: Partial<Tried>) => verdictOf([tried], [tried, load.tried("b", 0, other)], load.nowMs);
    expect(verdictBeside({})).toMatchObject({ came: "void" });
    expect(verdictBeside({ load: loadOf(400, 40) })).toMatchObject({ came: "kept" });
    expect(verdictBeside({ load: loadOf(400, 40), sinceMs: 500 })).toMatchObject({ came: "kept" });
    expect(verdictBeside({ sinceMs: 500 })).toMatchObject({ came: "void" });
  });

  test("is held to what its calls took then, and not since", () => {
    const { load, tried } = since(175, back(1));
    const { held } = afterTrial(tried, { came: "kept", ratio: 0.75 }, load.nowMs);
    expect(held).toMatchObject({ promisedUs: 3_000, refutedShare: 0, sinceMs: load.nowMs + 225 });
  });

  test("has to do so for as long, and by as much, as trials that contradict each other have to show", () => {
    const { load, tried } = since(175, back(0.82));
    const doubted = { ...tried, trials: { ...tried.trials, contradicted: 1, keptMs: 400 } };
    expect(verdictOf([tried], [tried], load.nowMs)).toMatchObject({ came: "kept" });
    expect(verdictOf([doubted], [doubted], load.nowMs)).toBeNull();
    const cameAfter = (times: number, contradicted: number) => {
      const late = since(500, back(times));
      const one = { ...late.tried, trials: { ...late.tried.trials, contradicted, keptMs: 400 } };
      return verdictOf([one], [one], late.load.nowMs)?.came;
    };
    expect([cameAfter(0.78, 0), cameAfter(0.78, 1), cameAfter(0.82, 1)]).toEqual(["kept", "dropped", "kept"]);
  });
});

describe("what did clearly worse in a trial", () => {
  const FEW = 1;
  const LOST = { came: "lost", ratio: 2 } as const;
  /** `a` was at storage from 500 to 600 ms, where its calls took twice as long, and has been back since. */
  const since = (
    ms: number,
    calls: Readonly<Record<string, Calls>>,
    { before = Load.warm().run(500, { a: atCompute }), sinceMs = 0, trials = NO_TRIALS } = {},
  ) => {
    const startedMs = before.nowMs;
    const load = before.run(100, { a: { ...atStorage, count: 20, elapsedUs: 8_000 } }).run(ms, calls);
    const shown = { ...LOST, fromMs: startedMs + 50, toMs: startedMs + 100 };
    const begun = { ...running("storage", startedMs).running!, shown };
    const tried = load.tried("a", 0, { trials: { ...trials, running: begun } });
    const all = load.profiles.get("b") === undefined ? [tried] : [tried, load.tried("b", 0, { sinceMs })];
    return { load, tried, verdict: verdictOf([tried], all, load.nowMs) };
  };
  const back = (times: number, count = 40 / times) => ({
    a: { ...atCompute, count: Math.round(count), elapsedUs: 4_000 * times },
  });

  test("is worse if calls take less again after it, as far as they did in both", () => {
    expect(since(150, back(1)).verdict).toBeNull();
    expect(since(175, back(1)).verdict).toEqual({ came: "worse", ratio: 2 });
    expect(since(175, back(0.5)).verdict).toEqual({ came: "worse", ratio: 2 });
    expect(since(175, back(1.25)).verdict).toEqual({ came: "worse", ratio: expect.closeTo(1.6) });
  });

  test("has to be worse by twice as much in both where trials have contradicted each other", () => {
    const doubted = { ...NO_TRIALS, keptMs: 0, contradicted: 1 };
    expect(since(300, back(1.25), { trials: doubted }).verdict).toEqual({ came: "worse", ratio: expect.closeTo(1.6) });
    expect(since(300, back(1.5), { trials: doubted }).verdict).toEqual({
      came: "dropped",
      ratio: expect.closeTo(1.35),
    });
    expect(since(300, back(1.5)).verdict).toEqual({ came: "worse", ratio: expect.closeTo(1.35) });
  });

  test("is dropped if they take as long after it: cores were slow for a moment", () => {
    expect(since(175, back(2)).verdict).toEqual({ came: "dropped", ratio: expect.closeTo(1) });
    expect(since(175, back(2.5)).verdict).toEqual({ came: "dropped", ratio: 1 });
  });

  test("is worse if they take as long after it and more end: those that had come wait in a queue", () => {
    expect(since(175, back(2, 40)).verdict).toEqual({ came: "worse", ratio: 2 });
  });

  test("is worse unless what comes after it tells", () => {
    const worse = { came: "worse", ratio: 2, isHalf: true };
    const ofTrial = { a: { ...atStorage, count: 20, elapsedUs: 8_000 } };
    expect(since(475, ofTrial).verdict, "they may still be on their way").toBeNull();
    expect(since(500, ofTrial).verdict, "they never came back").toEqual(worse);
    const few = { a: { ...atCompute, count: FEW, elapsedUs: 8_000 } };
    expect(since(475, few).verdict).toBeNull();
    expect(since(500, few).verdict, "too few").toEqual(worse);
    expect(since(175, {}).verdict, "nobody calls any more").toEqual(worse);
    expect(since(175, { ...back(2), b: atCompute }).verdict, "others have come").toEqual(worse);
    const beside = Load.warm().run(500, { a: atCompute, b: atCompute });
    const changed = since(175, { ...back(2), b: atCompute }, { before: beside, sinceMs: 500 });
    expect(changed.verdict, "others have become others").toEqual(worse);
  });

  test("has ended when all was as before again", () => {
    const { load, tried } = since(175, back(1));
    const after = afterTrial(tried, { came: "worse", ratio: 2 }, load.nowMs);
    expect(after.endedMs).toBe(600);
    expect(after.backOffs.get("storage")!.untilMs).toBeGreaterThan(load.nowMs + 4_000);
    // Where nobody saw that, its calls may not be over.
    expect(afterTrial(tried, { came: "worse", ratio: 2, isHalf: true }, load.nowMs).endedMs).toBe(load.nowMs);
  });
});

describe("whoever comes, goes or changes", () => {
  const running = { side: "storage", partner: null, startedMs: 500, fromShare: 0, shown: null } as const;
  const verdict = (calls: Readonly<Record<string, Calls>>, others: Partial<Tried> = {}) => {
    const after = Load.warm()
      .run(500, { a: atCompute, b: atCompute })
      .run(175, { a: atStorage, ...calls });
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
    expect(verdict({ b: refused })).toMatchObject({ came: "lost" });
  });
});

describe("after a trial", () => {
  const load = Load.warm()
    .run(500, { a: atCompute })
    .run(175, { a: { ...atStorage, elapsedUs: 2_000 } });
  const after = (came: Verdict["came"], trials: Trials, nowMs = load.nowMs, ratio = 1.15) => {
    const begun = {
      ...trials,
      running: { side: "storage", partner: null, startedMs: 500, fromShare: 0, shown: null } as const,
    };
    return afterTrial(load.tried("a", 1, { trials: begun }), { came, ratio }, nowMs);
  };
  const backOff = (trials: Trials) => trials.backOffs.get("storage");

  test("what did better stays, for longer each time, while it keeps its promise", () => {
    const once = after("kept", NO_TRIALS, load.nowMs, 0.8);
    expect(once).toMatchObject({ running: null, keptSide: "storage", holdMs: 5_000 });
    expect(once.held).toMatchObject({ untilMs: load.nowMs + 5_000, promisedUs: 2_000 });
    expect(after("kept", once, load.nowMs, 0.8).holdMs).toBe(10_000);
    const { profile } = load.tried("a", 1);
    const held = { share: 1, trials: once, overflowMin: 0 };
    expect(isHeldAlone(profile, held, load.nowMs)).toBe(true);
    const over = { ...once, held: { ...once.held!, untilMs: load.nowMs - 50 } };
    expect(isHeldAlone(profile, { ...held, trials: over }, load.nowMs)).toBe(false);
    const elsewhere = { ...held, share: 0 };
    expect(isHeldAlone(profile, elsewhere, load.nowMs + 100)).toBe(true);
    load.run(300, { a: { ...atStorage, elapsedUs: 2_000 } });
    expect(isHeldAlone(profile, held, load.nowMs)).toBe(true);
    expect(isHeldAlone(profile, elsewhere, load.nowMs), "none of them is where the plan has it").toBe(false);
    expect(isHeldAlone(profile, { ...elsewhere, overflowMin: 3 }, load.nowMs), "the plan has them overflow").toBe(true);
    load.run(300, { a: atStorage });
    expect(isHeldAlone(profile, held, load.nowMs)).toBe(false);
  });

  test("what did as well on one side as on both stays for ten seconds, and says nothing of what else was shown", () => {
    const kept = after("kept", NO_TRIALS, load.nowMs, 0.8);
    const known = { ...kept, held: null, fruitless: 3, contradicted: 1 };
    const { held, ...rest } = after("as-good", known, load.nowMs, 0.98);
    expect(held).toMatchObject({ untilMs: load.nowMs + 10_000, refutedShare: 1 });
    expect(isProved({ share: 1, trials: { ...known, held } })).toBe(false);
    const { held: _, ...before } = known;
    expect(rest).toEqual({ ...before, endedMs: load.nowMs });
  });

  test("one that contradicts another soon makes the next take longer, come later, and show more; what is kept is held longer", () => {
    const at = (side: Side, trials: Trials, nowMs: number) => {
      const begun = {
        ...trials,
        running: {
          side,
          partner: null,
          startedMs: nowMs - 175,
          fromShare: side === "storage" ? 0 : 1,
          shown: null,
        } as const,
      };
      return afterTrial(load.tried("a", 1, { trials: begun }), { came: "kept", ratio: 0.5 }, nowMs);
    };
    const once = at("storage", NO_TRIALS, 675);
    expect(at("storage", once, 1_650)).toMatchObject({ contradicted: 0, fruitless: 0 });
    expect(at("compute", once, 31_650)).toMatchObject({ contradicted: 0, fruitless: 0 });
    const twice = at("compute", once, 1_650);
    expect(twice).toMatchObject({ contradicted: 1, fruitless: 3 });
    expect(at("storage", twice, 2_650)).toMatchObject({ contradicted: 2, fruitless: 6 });
    expect(trialsAfterShift(twice, true, 2_000)).toMatchObject({ contradicted: 0, fruitless: 0 });
    // Of three plans the third may do better than both.
    const ofSplit = { ...once, held: { ...once.held!, refutedShare: 0.5, modelError: 2 } };
    expect(at("compute", ofSplit, 1_650)).toMatchObject({ contradicted: 0, fruitless: 0 });
    // It was wrong of both, four times at most.
    const errorAt = (side: Side, trials: Trials, modelError: number) =>
      afterTrial(
        load.tried("a", 1, { trials: { ...trials, running: running(side, 500).running } }),
        { came: "kept", ratio: 0.5 },
        675,
        { modelError },
      ).held!.modelError;
    expect([errorAt("compute", ofSplit, 1.5), errorAt("compute", ofSplit, 3), errorAt("compute", once, 1.5)]).toEqual([
      3, 4, 1.5,
    ]);
    const worseTimesAt = (trials: Trials) => at("compute", trials, 1_650).held!.worseTimes;
    expect([worseTimesAt(ofSplit), worseTimesAt(once)], "of the split, which the other did better than").toEqual([
      4, 2,
    ]);
    // Not of what it has been held along with since.
    const along = { ...once, held: { ...once.held!, refutedShare: 1 } };
    expect(at("compute", along, 1_650)).toMatchObject({ contradicted: 1 });
    // It goes round in a circle.
    const third = at("compute", ofSplit, 1_650);
    const back = { ...third, held: { ...third.held!, refutedShare: 0.5 } };
    expect(at("storage", back, 2_650)).toMatchObject({ contradicted: 1, held: { modelError: 1 } });
    expect(at("storage", back, 31_650)).toMatchObject({ contradicted: 0 });
    // Nor is what did worse the same plan any more once others have been moved.
    const beside = { ...once, held: { ...once.held!, isBesideOthers: true } as const };
    expect(at("compute", beside, 1_650)).toMatchObject({ contradicted: 0 });

    const better = Load.warm()
      .run(500, { a: atCompute })
      .run(175, { a: { ...atStorage, elapsedUs: 3_700 } });
    const verdict = (trials: Trials) => {
      const one = better.tried("a", 1, { trials: { ...trials, running: running("storage", 500).running } });
      return verdictOf([one], [one], better.nowMs);
    };
    expect(verdict(NO_TRIALS)).toMatchObject({ came: "better" });
    expect(verdict(twice)).toBeNull();
    better.run(100, { a: { ...atStorage, elapsedUs: 3_700 } });
    expect(verdict(twice)).toMatchObject({ came: "dropped" });

    const { profile } = better.tried("a", 1);
    const held = { sinceMs: 0, untilMs: Infinity, promisedUs: 2_000, refutedShare: 0, firmUntilMs: -Infinity };
    expect(isHeldAlone(profile, { share: 1, trials: { ...NO_TRIALS, held }, overflowMin: 0 }, better.nowMs)).toBe(
      false,
    );
    const doubted = { ...NO_TRIALS, held, contradicted: 1, keptMs: 0 };
    expect(isHeldAlone(profile, { share: 1, trials: doubted, overflowMin: 0 }, better.nowMs)).toBe(true);
    expect(patienceOf([{ trials: doubted }], 29_999)).toBe(2);
    expect(patienceOf([{ trials: doubted }], 30_000), "it is forgotten though none was kept since").toBe(1);
  });

  test("is another plan than what did worse unless all that change places have proved better than there", () => {
    const proved = (name: string, share: number, refutedShare: number | null): Tried => {
      const held = { sinceMs: 0, untilMs: Infinity, promisedUs: 1, refutedShare: refutedShare ?? share };
      const { running: begun } = running(share === 0 ? "storage" : "compute", 500, name === "a" ? "b" : "a");
      const trials = { ...NO_TRIALS, keptMs: 400, held: { ...held, firmUntilMs: -Infinity }, running: begun };
      return load.tried("a", 1 - share, { name, trials });
    };
    const isThirdOf = (ofA: number | null, ofB: number | null) =>
      isThirdPlan([proved("a", 0, ofA), proved("b", 1, ofB)]);
    expect([isThirdOf(1, 0), isThirdOf(1, null), isThirdOf(0.5, 0), isThirdOf(null, null)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
    // Of two that one trial has kept the one is held for it no more.
    const isThirdAfter = (keptMs: number) => {
      const b = proved("b", 1, null);
      return isThirdPlan([proved("a", 0, 1), { ...b, trials: { ...b.trials, held: null, keptMs } }]);
    };
    expect([isThirdAfter(400), isThirdAfter(399)]).toEqual([false, true]);
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
    expect([...after("dropped", other, load.nowMs + 599_000).backOffs.keys()]).toEqual(["compute b", "storage"]);
    expect([...after("dropped", other, load.nowMs + 600_000).backOffs.keys()]).toEqual(["storage"]);
    const { untilMs } = backOff(trials)!;
    expect([1, 0].map((lessMs) => backOff(after("dropped", trials, untilMs + 600_000 - lessMs))!.ms)).toEqual([
      60_000, 1_000,
    ]);
  });

  test("what did as well is tried again within some seconds, however often it did", () => {
    const again = (times: number, ratio: number) => {
      let trials: Trials = after("dropped", NO_TRIALS);
      for (let time = 0; time < times; time++) trials = after("dropped", trials, load.nowMs, ratio);
      return { fruitless: trials.fruitless, ms: backOff(trials)!.ms };
    };
    expect(backOff(after("dropped", NO_TRIALS, load.nowMs, 1.02))).toMatchObject({ givesWay: true });
    expect(backOff(after("dropped", NO_TRIALS, load.nowMs, 1.1))).not.toHaveProperty("givesWay");
    expect(again(2, 1.02)).toEqual({ fruitless: 3, ms: 4_000 });
    expect(again(9, 1.02)).toEqual({ fruitless: 7, ms: 4_000 });
    expect(again(9, 0.96)).toEqual({ fruitless: 7, ms: 4_000 });
    expect(again(9, 1.1)).toEqual({ fruitless: 10, ms: 60_000 });
    // As close as those that are looked at for longer have to be.
    const longer = (looks: number, ratio: number) => {
      const tied = { ...NO_TRIALS, backOffs: new Map([["storage", { ms: 4_000, untilMs: 0, ties: 1 }]]) };
      const begun = { ...tied, running: { ...running("storage", 500).running!, looks } };
      const { ms, ties } = backOff(
        afterTrial(load.tried("a", 1, { trials: begun }), { came: "dropped", ratio }, load.nowMs),
      )!;
      return { ms, ties };
    };
    expect([longer(1, 1.08), longer(4, 1.04)]).toEqual([
      { ms: 4_000, ties: 2 },
      { ms: 4_000, ties: 2 },
    ]);
    expect(longer(4, 1.08), "it is looked at as long the next time").toEqual({ ms: 8_000, ties: 1 });
    // Quick cores make a tie of what was worse.
    const worse = after("worse", { ...NO_TRIALS, fruitless: 9 }, load.nowMs, 4);
    expect(backOff(after("dropped", worse, load.nowMs, 1.02))!.ms).toBe(4_000);
    expect(after("dropped", worse, load.nowMs, 1.02).fruitless).toBe(10);
  });

  test("what came to nothing has cost what was done less while it was tried, of two that changed places once", () => {
    const costOf = (
      came: "kept" | "worse",
      ratio: number,
      side: Side = "storage",
      partner: string | null = null,
      shown: Shown | null = null,
    ) => {
      const begun = running(side, 500, partner).running!;
      const trials = { ...NO_TRIALS, running: { ...begun, shown } };
      return trialCostMs(load.tried("a", 1, { trials }), { came, ratio }, 675);
    };
    expect(costOf("worse", 1.25)).toBeCloseTo(0.2 * 175);
    expect(costOf("worse", 0.9)).toBe(0);
    expect(costOf("kept", 1.4)).toBe(0);
    expect([costOf("worse", 1.25, "storage", "b"), costOf("worse", 1.25, "compute", "b")]).toEqual([
      expect.closeTo(35),
      0,
    ]);
    const shown = { came: "lost", fromMs: 575, toMs: 600, ratio: 1.4 } as const;
    expect(costOf("worse", 1.25, "storage", null, shown)).toBeCloseTo(0.2 * 100);
  });

  test("what was so many times worse than what is clearly so is tried as much later, but on a side that was cold, or was two seconds ago", () => {
    const trials = { ...NO_TRIALS, ...running("storage", 500) };
    const afterWorse = (ratio: number, tried: Tried) =>
      afterTrial(tried, { came: "worse", ratio }, 675).backOffs.get("storage")!;
    const backOffOf = (ratio: number, tried: Tried): number => afterWorse(ratio, tried).ms;
    const warm = load.tried("a", 1, { trials });
    expect(backOffOf(1.2, warm)).toBeCloseTo(4_000);
    expect(backOffOf(1.7, warm)).toBeCloseTo(14_000);
    expect(backOffOf(9, warm)).toBe(60_000);
    const cold = new Load().run(500, { a: atCompute }).run(175, { a: atStorage }).tried("a", 1, { trials });
    expect(backOffOf(9, cold)).toBe(4_000);
    const after = (warmMs: number) => {
      const load = new Load().run(25, { a: { ...atStorage, count: 400 } }).run(warmMs - 25, { a: atCompute });
      const begun = { ...NO_TRIALS, ...running("storage", load.nowMs) };
      return afterWorse(9, load.run(175, { a: atStorage }).tried("a", 1, { trials: begun }));
    };
    expect(after(1_900)).toMatchObject({ ms: 4_000 });
    expect(after(1_900)).not.toHaveProperty("refutation");
    expect(after(2_100)).toMatchObject({ ms: 60_000, refutation: { fromShare: 0 } });
  });

  test("what was clearly worse keeps what calls took before it, unless it was cold or two changed places", () => {
    const refutationOf = (tried: Tried, partner: string | null = null) => {
      const trials = { ...NO_TRIALS, ...running("storage", 500, partner) };
      const after = afterTrial({ ...tried, trials }, { came: "worse", ratio: 1.4 }, 675, { modelError: 1.7 });
      return [...after.backOffs.values()][0]!.refutation;
    };
    const warm = load.tried("a", 1);
    expect(refutationOf(warm)).toEqual({
      atMs: 675,
      sinceMs: 900,
      fromShare: 0,
      promisedUs: 4_000,
      promisedBytes: 0,
      modelError: 1.7,
    });
    expect(refutationOf(warm, "b")).toBeUndefined();
    const cold = new Load().run(500, { a: atCompute }).run(175, { a: atStorage }).tried("a", 1);
    expect(refutationOf(cold)).toBeUndefined();
    const uncalled = Load.warm().run(175, { a: atStorage }).tried("a", 1);
    expect(
      afterTrial({ ...uncalled, trials: running("storage", 5_000) }, { came: "worse", ratio: 1.4 }, 5_150).backOffs.get(
        "storage",
      )?.refutation,
    ).toBeUndefined();
  });

  test("what was clearly worse again is proved so beside what others do now", () => {
    const heldAfter = (refutedShare: number, partner: string | null = null, came: Verdict["came"] = "worse") => {
      const promise = { sinceMs: 0, untilMs: Infinity, promisedUs: 1, refutedShare, firmUntilMs: -Infinity };
      const held = { ...promise, isBesideOthers: true } as const;
      const trials = { ...NO_TRIALS, held, running: running("storage", 500, partner).running };
      return afterTrial(load.tried("a", 1, { trials }), { came, ratio: 1.4 }, 675).held;
    };
    expect(heldAfter(0.9)).not.toHaveProperty("isBesideOthers");
    expect(heldAfter(0.9)).toMatchObject({ refutedShare: 0.9 });
    for (const held of [heldAfter(0.5), heldAfter(0.9, "b"), heldAfter(0.9, null, "dropped")])
      expect(held).toHaveProperty("isBesideOthers");
  });

  test("what ended without a verdict was not tried, and may be at once", () => {
    const before: Trials = { ...NO_TRIALS, fruitless: 2, running: running("storage", 0).running };
    const over = { ...before, running: null, endedMs: load.nowMs, untoldMs: load.nowMs };
    expect(after("void", before)).toEqual(over);
    expect([after("gone", before).untoldMs, after("slowed", before).untoldMs]).toEqual([load.nowMs, load.nowMs]);
    const told = (["kept", "as-good", "dropped", "worse"] as const).map((came) =>
      after(came, { ...before, untoldMs: 1 }),
    );
    expect(told.map(({ untoldMs }) => untoldMs)).toEqual([-Infinity, -Infinity, -Infinity, -Infinity]);
  });
});
