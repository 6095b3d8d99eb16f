import { describe, expect, test } from "vitest";
import { calledFunction, underSurge, withWaiting, type CalledFunction } from "./called-function.ts";
import { FRESH, type FunctionState } from "./function-state.ts";
import { isHeld } from "./held-function.ts";
import { afterPause, hasStopped, paidLaterMs } from "./pauses.ts";
import { ONE_CORE_EACH, PlayedCalls, type Calls } from "./played-calls.ts";
import { NO_REGIMES } from "./regimes.ts";
import { FREE_RULES } from "./situation.ts";
import { NO_TRIALS, trialsAfterShift, type Trials } from "./trials.ts";

const AT_STORAGE = { side: "storage", count: 25, elapsedUs: 400 } as const;
const CALLED_MS = 1_000;
const HELD = {
  sinceMs: 500,
  untilMs: 3_000,
  promisedUs: 400,
  refutedShare: 0,
  firmUntilMs: 200,
};
/** As a step knew it after a second of calls: all that ends does so within the pause, but what has ended already. */
const BEFORE: FunctionState = {
  ...FRESH,
  state: "reverting",
  share: 1,
  version: "1",
  retryAtMs: 2_000,
  doublesUntilMs: 62_000,
  regimes: { ...NO_REGIMES, knownMs: 300 },
  relief: { restMs: 1_000, untilMs: 900 },
  trials: {
    ...NO_TRIALS,
    held: HELD,
    endedMs: 400,
    keptMs: 400,
    paidMs: 1_500,
    pausedIn: { cameForMs: 700, untilMs: 60_000 },
    backOffs: new Map([
      ["compute", { ms: 1_000, untilMs: 1_600 }],
      ["compute hash", { ms: 4_000, untilMs: 800 }],
    ]),
  },
};

const called = (): PlayedCalls => new PlayedCalls().run(CALLED_MS, { walk: AT_STORAGE });
const afterPauseOf = (pauseMs: number, load = called(), before = BEFORE): FunctionState => {
  const again = load.run(pauseMs, {}).run(25, { walk: AT_STORAGE });
  return afterPause(before, again.profiles.get("walk")!);
};

/** A twentieth of a second, each second. */
const bursts = (): PlayedCalls => {
  const load = new PlayedCalls();
  for (let second = 0; second < 5; second++) load.run(950, {}).run(50, { walk: { ...AT_STORAGE, count: 100 } });
  return load;
};

describe("after a pause", () => {
  test("a tenth of it has gone by for what holds for a time, and what was over is", () => {
    const { retryAtMs, doublesUntilMs, relief, trials, resumedMs, regimes } = afterPauseOf(5_000);
    const later = 0.9 * 5_025;
    expect(resumedMs).toBe(CALLED_MS + 5_025 - 1);
    expect(regimes.knownMs).toBe(300 + 5_025);
    expect([retryAtMs, doublesUntilMs]).toEqual([expect.closeTo(2_000 + later), expect.closeTo(62_000 + later)]);
    expect(relief).toEqual(BEFORE.relief);
    expect(trials.held?.untilMs).toBeCloseTo(3_000 + later);
    expect(trials.held?.firmUntilMs).toBe(200);
    expect(trials.pausedIn).toEqual({ cameForMs: 700, untilMs: expect.closeTo(60_000 + later) });
    expect(trials.backOffs.get("compute")?.untilMs).toBeCloseTo(1_600 + later);
    expect(trials.backOffs.get("compute hash")).toEqual({ ms: 4_000, untilMs: 800 });
  });

  test("how long calls had come is kept of one that began in a trial, however that ends", () => {
    const { backOffs, running: _, ...ended } = BEFORE.trials;
    const running = { side: "compute", partner: null, startedMs: 900, fromShare: 1, shown: null } as const;
    const pausedInOf = (trials: Partial<Trials>) =>
      afterPauseOf(5_000, called(), { ...BEFORE, trials: { ...ended, backOffs, running: null, ...trials } }).trials
        .pausedIn;
    const kept = { cameForMs: CALLED_MS, untilMs: CALLED_MS + 5_025 - 1 + 60_000 };
    expect(pausedInOf({ running })).toEqual(kept);
    expect([pausedInOf({ untoldMs: CALLED_MS + 75 }), pausedInOf({ untoldMs: CALLED_MS - 50 })]).toEqual([kept, kept]);
    const ofBefore = [{ untoldMs: CALLED_MS - 100 }, { endedMs: CALLED_MS + 75 }];
    expect(ofBefore.map((one) => pausedInOf({ ...one, pausedIn: null }))).toEqual([null, null]);
  });

  test("calls had come since there was half a second without one, and not for longer", () => {
    const again = called().run(700, {}).run(600, { walk: AT_STORAGE });
    const running = { side: "compute", partner: null, startedMs: 1_900, fromShare: 1, shown: null } as const;
    const { trials } = afterPauseOf(5_000, again, { ...BEFORE, trials: { ...BEFORE.trials, running } });
    expect(trials.pausedIn?.cameForMs).toBeCloseTo(600, -2);
  });

  test("what is doubted has been so for a tenth of it", () => {
    const doubted = { ...BEFORE, trials: { ...BEFORE.trials, held: { ...HELD, doubtedMs: 900 } } };
    expect(afterPauseOf(5_000, called(), doubted).trials.held?.doubtedMs).toBeCloseTo(900 + 0.9 * 5_025);
    expect(afterPauseOf(5_000).trials.held).not.toHaveProperty("doubtedMs");
  });

  describe("what trials have cost", () => {
    const later = (load: PlayedCalls, before: Readonly<Record<string, FunctionState>> = { walk: BEFORE }): number =>
      paidLaterMs(new Map(Object.entries(before)), load.profiles);

    test("is paid later by all of it, once", () => {
      const load = called().run(5_000, {}).run(25, { walk: AT_STORAGE });
      expect(later(load)).toBe(5_025);
      expect(later(load, { walk: { ...BEFORE, resumedMs: load.nowMs - 1 } })).toBe(0);
      expect(later(called())).toBe(0);
      expect(later(called().run(20_000, {}).run(25, { walk: AT_STORAGE }))).toBe(20_025);
    });

    test("is so where others pause as well, and by what there is between them", () => {
      const load = called().run(1_000, { hash: AT_STORAGE }).run(4_000, {});
      load.run(25, { walk: AT_STORAGE, hash: AT_STORAGE });
      expect(later(load, { walk: BEFORE, hash: BEFORE })).toBe(4_025);
    });

    test("is not where one was called meanwhile whose trials have cost something", () => {
      const load = called().run(5_000, { hash: AT_STORAGE }).run(25, { walk: AT_STORAGE, hash: AT_STORAGE });
      const untried = { ...BEFORE, trials: NO_TRIALS };
      const laterBeside = (hash: FunctionState) => later(load, { walk: BEFORE, hash });
      expect([laterBeside(BEFORE), laterBeside(untried)]).toEqual([0, 5_025]);
      expect(later(load, { walk: untried, hash: untried })).toBe(0);
      const shifted = { ...BEFORE, trials: trialsAfterShift(BEFORE.trials, true, 1_000) };
      expect(laterBeside(shifted)).toBe(0);
    });
  });

  test("what all functions wait for is as it was, and what never was", () => {
    const { endedMs, paidMs } = afterPauseOf(5_000).trials;
    expect({ endedMs, paidMs }).toEqual({ endedMs: 400, paidMs: 1_500 });
    expect(afterPauseOf(5_000, called(), { ...BEFORE, trials: NO_TRIALS }).trials).toEqual(NO_TRIALS);
  });

  test("all that is beyond ten seconds has gone by", () => {
    expect(afterPauseOf(20_000).retryAtMs).toBe(2_000 + 0.9 * 10_000);
  });

  test.each([
    { than: "half a second", pauseMs: 400, load: called() },
    {
      than: "calls that are seldom leave between them",
      pauseMs: 1_000,
      load: new PlayedCalls().run(CALLED_MS, { walk: { ...AT_STORAGE, count: 1 } }),
    },
  ])("that is no longer than $than all is as it was", ({ pauseMs, load }) => {
    expect(afterPauseOf(pauseMs, load)).toBe(BEFORE);
  });

  test("it is the last one that a step has not seen", () => {
    const load = called();
    const once = afterPauseOf(5_000, load);
    expect(afterPause(once, load.profiles.get("walk")!)).toBe(once);
    load.run(475, { walk: AT_STORAGE });
    expect(afterPause(once, load.profiles.get("walk")!)).toBe(once);
    expect(afterPauseOf(5_000, load, once).retryAtMs).toBeGreaterThan(once.retryAtMs);
  });
});

describe("a function is called no more", () => {
  const stoppedAfter = (ms: number, of: Partial<Calls> = {}): boolean => {
    const load = new PlayedCalls().run(CALLED_MS, { walk: { ...AT_STORAGE, ...of } });
    return hasStopped(load.profiles.get("walk")!, CALLED_MS + ms);
  };

  test("where no call has ended for longer than there is between two", () => {
    expect([50, 100].map((ms) => stoppedAfter(ms))).toEqual([false, true]);
    // Waves of calls that take 200 ms.
    expect([250, 350].map((ms) => stoppedAfter(ms, { elapsedUs: 200_000 }))).toEqual([false, true]);
    const seldom = new PlayedCalls();
    for (let call = 0; call < 4; call++) seldom.run(25, { walk: { ...AT_STORAGE, count: 1 } }).run(175, {});
    const profile = seldom.profiles.get("walk")!;
    expect([700, 1_300, 1_500].map((nowMs) => hasStopped(profile, nowMs))).toEqual([false, false, true]);
  });

  test("and nobody can tell of two calls", () => {
    const load = new PlayedCalls().run(25, { walk: { ...AT_STORAGE, count: 2 } });
    expect(hasStopped(load.profiles.get("walk")!, 5_000)).toBe(false);
  });
});

describe("as a step weighs it up, a function", () => {
  const RESTING: FunctionState = { ...FRESH, state: "storage", share: 1, version: "1", sinceMs: 0 };
  const at = (
    load: PlayedCalls,
    name = "walk",
    before = RESTING,
    { callersGrown = 1.5, callers = ONE_CORE_EACH.callers } = {},
  ) =>
    calledFunction(
      name,
      FREE_RULES,
      before,
      load.situation({ callersGrown, capacity: { ...ONE_CORE_EACH, callers } }),
    )!;
  const isFree = ({ load: { lowest, highest } }: Pick<CalledFunction, "load">): boolean => lowest < highest;

  test("that is called no more stays where it is", () => {
    const load = called();
    expect(isFree(at(load))).toBe(true);
    load.run(100, {});
    expect(isFree(at(load))).toBe(false);
  });

  test("that is called in bursts is free in each of them", () => {
    const load = bursts();
    expect(isFree(at(load, "walk", afterPause(RESTING, load.profiles.get("walk")!)))).toBe(true);
  });

  test("that fails with each call is called", () => {
    const failing = { ...AT_STORAGE, count: 0, failing: 25 };
    const load = called().run(500, { walk: failing });
    expect(isFree(at(load))).toBe(true);
    expect(isFree(at(load.run(100, {})))).toBe(false);
  });

  test("that comes back stays for a moment, unless many more come than before", () => {
    const back = (count: number, ms: number) => {
      const load = called()
        .run(3_000, {})
        .run(ms, { walk: { ...AT_STORAGE, count } });
      return isFree(at(load, "walk", afterPause(RESTING, load.profiles.get("walk")!)));
    };
    expect([back(25, 75), back(25, 200), back(25, 250)]).toEqual([false, false, true]);
    expect(back(250, 75)).toBe(true);
  });

  test("that comes back stays for longer while its calls fill nothing, and where it may", () => {
    const back = (cpuUs: number, ms: number, change: (one: CalledFunction) => CalledFunction = (one) => one) => {
      const calls = { ...AT_STORAGE, usage: { wallUs: 400, cpuUs, operations: 4, rounds: 4 } };
      const load = new PlayedCalls().run(CALLED_MS, { walk: calls }).run(3_000, {}).run(ms, { walk: calls });
      const one = change(at(load, "walk", afterPause(RESTING, load.profiles.get("walk")!)));
      return withWaiting([one], ONE_CORE_EACH, load.nowMs)[0]!;
    };
    expect([150, 275, 325].map((ms) => isFree(back(10, ms)))).toEqual([false, false, true]);
    expect(isFree(back(4_000, 250))).toBe(true);
    const leaving = back(10, 150, (one) => ({ ...one, load: { ...one.load, lowest: 0, highest: 0 } }));
    expect(leaving.load.highest).toBe(0);
  });

  test("of which many more come than usual goes by them where they fill a pool, and stays where they fill none", () => {
    const surged = (cpuUs: number) => {
      const usage = { wallUs: 400, cpuUs, operations: 4, rounds: 4 };
      const load = new PlayedCalls().run(CALLED_MS, { walk: { ...AT_STORAGE, usage } });
      const { callsPerSecond } = at(load.run(50, { walk: { ...AT_STORAGE, count: 100, usage } })).load;
      const { called: all, isSurge } = underSurge([at(load)], ONE_CORE_EACH);
      return { isSurge, isFree: isFree(all[0]!), times: all[0]!.load.callsPerSecond / callsPerSecond };
    };
    expect(surged(10)).toEqual({ isSurge: false, isFree: false, times: 1 });
    const full = surged(1_000);
    expect(full).toMatchObject({ isSurge: true, isFree: true });
    expect(full.times).toBeGreaterThan(1.25);
  });

  test("of which many callers make more calls, as callers do who wait for each other, is in no surge while there are no more of them", () => {
    const load = called().run(75, { walk: { ...AT_STORAGE, count: 45 } });
    const isSurging = (callersGrown: number): boolean => at(load, "walk", RESTING, { callersGrown }).surging !== null;
    expect([0.9, 1, 1.05, 1.2, 4].map(isSurging)).toEqual([false, false, false, true, true]);
    // Of so few nobody can tell; and as many make more of calls that have just become others.
    expect(at(load, "walk", RESTING, { callersGrown: 1, callers: 2 }).surging).not.toBeNull();
    const begun = { ...RESTING, sinceMs: load.nowMs - 500 };
    expect(at(load, "walk", begun, { callersGrown: 1 }).surging).not.toBeNull();
  });

  test("of which many times as many come as for long is in a surge though its callers are as many: they called something else", () => {
    const load = called().run(50, { walk: { ...AT_STORAGE, count: 100 } });
    expect(at(load, "walk", RESTING, { callersGrown: 1 }).surging).toMatchObject({ isNew: true });
  });

  test("of which many more come stays on no side that it may not be on", () => {
    const load = called().run(50, { walk: { ...AT_STORAGE, count: 100 } });
    const { called: all } = underSurge(
      [at(load)].map((one) => ({ ...one, load: { ...one.load, lowest: 0, highest: 0 } })),
      ONE_CORE_EACH,
    );
    expect(all[0]!.load.highest).toBe(0);
  });

  test("of which few come any more in a surge of others fills no more than these", () => {
    const usage = { wallUs: 400, cpuUs: 1_000, operations: 4, rounds: 4 };
    const load = new PlayedCalls().run(CALLED_MS, {
      walk: { ...AT_STORAGE, usage },
      hash: { ...AT_STORAGE, count: 2, usage },
    });
    load.run(50, { hash: { ...AT_STORAGE, count: 50, usage } });
    const [gone, come] = [at(load, "walk"), at(load, "hash")];
    const { called: all, isSurge } = underSurge([gone, come], ONE_CORE_EACH);
    expect(isSurge).toBe(true);
    expect(all[0]!.load.callsPerSecond).toBeLessThan(0.6 * gone.load.callsPerSecond);
    expect(all[1]!.load.callsPerSecond).toBeGreaterThan(1.25 * come.load.callsPerSecond);
  });
});

test("who is held is so until the first call after that, and no pause ends it", () => {
  const load = called();
  const state = { share: 1, trials: BEFORE.trials, overflowMin: 0 };
  const isHeldAt = (nowMs: number): boolean => isHeld(load.profiles.get("walk")!, state, nowMs);
  expect(isHeldAt(6_000)).toBe(true);
  load.run(5_000, { walk: AT_STORAGE });
  expect(isHeldAt(6_000)).toBe(false);
});
