import { describe, expect, test } from "vitest";
import {
  beforeMsOf,
  changed,
  compared,
  inFlightLately,
  isMistake,
  isOtherPace,
  slowerTimes,
} from "./before-and-since.ts";
import type { Calls } from "./played-calls.ts";
import { Load, atCompute, atStorage, walks } from "./played-load.ts";

describe("calls that are walks, of one node or of a thousand", () => {
  /** What moved to storage at the end of that, held against what was before. */
  const then = (load: Load, calls: Calls) => {
    const [atMs, a] = [load.nowMs, load.tried("a", 1)];
    load.run(200, { a: calls });
    const move = { atMs, settledMs: atMs + 50, beforeMs: 150 };
    return { ...compared([a], move, load.nowMs)!, isMistake: isMistake([a], move, load.nowMs) };
  };

  test("take no longer, and end no more rarely, where they are more work", () => {
    const { ratio, slowdown, isMistake: was } = then(Load.ofWalks(), walks("storage", 10, 4));
    expect([ratio, slowdown, was]).toEqual([expect.closeTo(1, 1), expect.closeTo(1, 1), false]);
  });

  test("take longer where the same work does", () => {
    const { ratio, slowdown, isMistake: was } = then(Load.ofWalks(), walks("storage", 10, 2, 2));
    expect([ratio, slowdown, was]).toEqual([expect.closeTo(2, 1), expect.closeTo(2, 1), true]);
  });

  test("are calls like others where their work does not go with their bytes, or that is not known yet", () => {
    const atOnce = new Load()
      .warm({ a: [walks("compute", 1, 1), walks("storage", 1, 1)] })
      .run(300, { a: walks("compute", 40, 1) });
    expect(then(atOnce, walks("storage", 10, 4)).ratio).toBeCloseTo(4, 1);
    // Operations are most of it, and as many in each.
    const read = { operations: 2_000 };
    expect(then(Load.ofWalks(read), walks("storage", 10, 4, 1, read)).ratio).toBeGreaterThan(3);
  });

  test("were moved by mistake only where they take longer whatever they are counted by", () => {
    // Each waits for a round trip as long as before, and is half the work.
    const waiting = { ...walks("storage", 40, 0.5), elapsedUs: 4_000 };
    const { ratio, slowdown, isMistake: was } = then(Load.ofWalks(), waiting);
    expect([ratio, slowdown, was]).toEqual([expect.closeTo(2, 1), expect.closeTo(2, 1), false]);
  });
});

test.each([
  // of the CPU time before and since, what it would not have been at the usual pace → whether cores are others
  [0, 0, false],
  [0.5, 0.5, false],
  // A thread on the other half of a core begins, or ends.
  [0, 0.35, false],
  [0.35, 0, false],
  [0, 0.5, true],
  [0.8, 0.2, true],
])("cores of which %f was slowed before and %f since are so much quicker or slower: %s", (before, since, isOther) => {
  expect(isOtherPace(slowerWith(computing(before), computing(since)))).toBe(isOther);
});

/** 100 µs each, so much of it slowed. */
const computing = (slowedPart: number): Calls => ({
  ...atCompute,
  usage: { cpuUs: 100, slowedUs: 100 * slowedPart },
});

const slowerWith = (before: Calls, since: Calls | null, besides: Calls | null = null): number => {
  const others = besides === null ? {} : { b: besides };
  const load = Load.warm().run(300, { a: before, ...others });
  load.run(200, since === null ? others : { a: since, ...others });
  const change = { atMs: load.nowMs - 200, settledMs: load.nowMs - 150, beforeMs: 150 };
  const all = [load.tried("a", 0), ...(besides === null ? [] : [load.tried("b", 0)])];
  return slowerTimes(all, change, load.nowMs);
};

test("by calls how much slower cores are can be told only where some ended before and since", () => {
  expect(slowerWith(computing(0.5), computing(0))).toBeCloseTo(0.5);
  expect(slowerWith(computing(0.5), null)).toBe(1);
});

test("by their CPU time: one that waits for long tells as little as it computes", () => {
  const waiting: Calls = { ...atCompute, elapsedUs: 100_000, usage: { cpuUs: 1, slowedUs: 0.8 } };
  expect(slowerWith(computing(0), computing(0.5), waiting)).toBeCloseTo(2, 1);
  expect(slowerWith(computing(0.5), computing(0.5), waiting)).toBeCloseTo(1);
});

test("none is taken for more than eight times as slow, whatever is told", () => {
  expect(slowerWith(computing(0), computing(1))).toBe(8);
  expect(slowerWith(computing(1), computing(0))).toBe(1 / 8);
});

describe("calls in flight", () => {
  const long = { ...atCompute, count: 1, elapsedUs: 2_000_000 };
  /** Windows of a slot each: in flight by what has ended in them. */
  const after = (...windows: readonly (readonly ["a" | "b", Calls])[][]) => {
    const load = Load.warm();
    for (const calls of windows) load.run(25, Object.fromEntries(calls));
    return inFlightLately([load.tried("a", 1), load.tried("b", 1)], load.nowMs);
  };
  /** So many, each of which takes as long as a window. */
  const waiting = (count: number): Calls => ({ ...atCompute, count, elapsedUs: 25_000 });

  test("are those of all functions together, whose calls may end in turn", () => {
    const [a, b] = [["a", waiting(6)] as const, ["b", waiting(6)] as const];
    expect(after([a], [b], [a], [b])).toBeCloseTo(6);
    expect(after([a], [a], [a], [b])).toBeCloseTo(6);
    expect(after([a, b], [a, b], [a, b], [a, b])).toBeCloseTo(12);
  });

  test("are as many on the mean where they end in waves, and in the middle of what was lately", () => {
    const wave = [["a", waiting(12)] as const];
    expect(after(wave, [], wave, [])).toBeCloseTo(6);
    const of = (count: number) => [["a", waiting(count)] as const];
    expect(after(of(1), of(1), of(2), of(4), of(9))).toBeCloseTo(3);
    expect(after(of(9), of(9), of(9), of(9), [], [], [], [])).toBe(0);
  });

  test("are not as many as one call is long", () => {
    const [few, withLong] = [["a", waiting(2)] as const, [["a", waiting(2)] as const, ["b", long] as const]];
    expect(after([few], withLong, [few], [few])).toBeCloseTo(2);
    expect(after([], [["b", long]], [], [])).toBe(0);
  });
});

describe("a move", () => {
  /** `a` went to storage at 500 ms. */
  const mistaken = (load: Load, lastChangedMs = 0) => {
    const a = load.tried("a", 1);
    const beforeMs = beforeMsOf(500, lastChangedMs);
    return isMistake([a], changed([{ profile: a.profile, side: "storage" }], 500, { beforeMs }), load.nowMs);
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

  test("is held against what there was since the one before it, of which no calls are under way any more", () => {
    const isWorseAfter = (movedMs: number) => {
      const slow = { ...atCompute, count: 20, elapsedUs: 8_000 };
      const load = Load.warm()
        .run(movedMs, { a: slow })
        .run(500 - movedMs, { a: atStorage });
      load.run(150, { a: { ...atStorage, count: 30, elapsedUs: 5_100 } });
      return [mistaken(load, movedMs), mistaken(load)];
    };
    expect(isWorseAfter(375)).toEqual([true, false]);
    expect(isWorseAfter(425)).toEqual([true, false]);
    expect(isWorseAfter(275)).toEqual([true, true]);
    expect([0, 275, 375, 425, 500].map((ms) => beforeMsOf(500, ms))).toEqual([150, 150, 75, 75, 75]);
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
