import { describe, expect, test } from "vitest";
import { poisson, seededRandom } from "#runtime/seeded-random.ts";
import { BegunMore } from "./begun-more.ts";
import { lonePart, type LonePart } from "./lone-part.ts";
import { ComingCalls } from "./coming-calls.ts";
import { TALLY_TERMS } from "./tally.ts";
import { STRETCH_MS_MAX } from "./window-length.ts";

const STRETCH_MS = 25;
const PER_SECOND = 20_000;

/** So many a second, in a window that ends then. */
const come = (coming: LonePart<ComingCalls>, perSecond: number, nowMs: number, stretchMs = STRETCH_MS): void => {
  const calls = (perSecond * STRETCH_MS) / 1e3;
  coming.addStretch({ side: "compute", sums: sumsOf(calls) }, stretchMs, STRETCH_MS, nowMs);
};

/** Of so many calls that ended well, of which nothing else is looked at. */
const sumsOf = (calls: number): readonly number[] => TALLY_TERMS.map((term) => (term === "calls" ? calls : 0));

describe("an ebb", () => {
  const ebbAfter = (ms: number, times: number) => {
    const coming = lonePart(ComingCalls);
    let nowMs = 0;
    for (; nowMs < 5_000 + ms; nowMs += STRETCH_MS) {
      const perSecond = nowMs < 5_000 ? PER_SECOND : times * PER_SECOND;
      if (perSecond > 0) {
        come(coming, perSecond, nowMs + STRETCH_MS);
      }
    }
    return coming.ebb(coming.rates(nowMs), nowMs);
  };

  test("is told within 50 ms where hardly any call comes any more, or half of them", () => {
    expect(ebbAfter(50, 0)!.all).toBeLessThan(0.5 * PER_SECOND);
    expect(ebbAfter(50, 0.5)!.all).toBeLessThan(0.8 * PER_SECOND);
  });

  test("is none where as many come, or a fifth less", () => {
    expect(ebbAfter(200, 1)).toBeNull();
    expect(ebbAfter(200, 0.85)).toBeNull();
  });
});

describe("calls that begin and have not ended yet", () => {
  interface Came {
    /** A second. */
    readonly ended: number;
    readonly begun: number;
  }

  /** What each of these stretches tells, after five seconds of `before`. */
  const surgesIn = (stretches: readonly Came[], before = { ended: PER_SECOND, begun: PER_SECOND }) => {
    const coming = lonePart(ComingCalls);
    let nowMs = 0;
    const come = ({ ended, begun }: Came) => {
      nowMs += STRETCH_MS;
      const [calls, begunMore] = [ended, begun - ended].map((one) => (one * STRETCH_MS) / 1e3);
      const tally = { side: "storage", sums: sumsOf(calls!), begunMore: begunMore! } as const;
      coming.addStretch(tally, STRETCH_MS, STRETCH_MS, nowMs);
      const usual = coming.rates(nowMs);
      return { surge: coming.surge(usual, nowMs), ebb: coming.ebb(usual, nowMs) };
    };
    for (let stretch = 0; stretch < 200; stretch++) come(before);
    return stretches.map(come);
  };
  const times = (count: number, came: Came): readonly Came[] => Array.from({ length: count }, () => came);

  /** So many end in each stretch, and `comeIn` so many stretches so many more begin in each: whether the last was a surge. */
  const whereEndAlways = (ended: number) => {
    const coming = lonePart(ComingCalls);
    let nowMs = 0;
    const comeIn = (stretches: number, begunMore: number): boolean => {
      let isSurge = false;
      for (let stretch = 0; stretch < stretches; stretch++) {
        const tally = { side: "storage", sums: sumsOf(ended), begunMore } as const;
        isSurge = coming.addStretch(tally, STRETCH_MS, STRETCH_MS, (nowMs += STRETCH_MS));
      }
      return isSurge;
    };
    return { comeIn, forgetMost: () => coming.forgetMost(nowMs), rest: (ms: number) => void (nowMs += ms) };
  };

  test("are a surge after the first stretch, where those that end are none", () => {
    const ended = 1.2 * PER_SECOND;
    const [first] = surgesIn([{ ended, begun: 6 * PER_SECOND }]);
    expect(first!.surge!.all).toBeGreaterThan(2.5 * PER_SECOND);
    expect(surgesIn(times(20, { ended, begun: ended })).filter(({ surge }) => surge !== null)).toEqual([]);
  });

  test("are no ebb where they are fewer than end, and hide no surge of these", () => {
    expect(surgesIn([{ ended: PER_SECOND, begun: 0 }])[0]!.ebb).toBeNull();
    const surges = surgesIn(times(4, { ended: 3 * PER_SECOND, begun: 0 }));
    expect(surges[0]!.surge!.all).toBeGreaterThan(1.5 * PER_SECOND);
  });

  test.each([
    { perSecond: 60, tookMs: 300 },
    { perSecond: 400, tookMs: 20 },
    { perSecond: 400, tookMs: 300 },
  ])(
    "are a surge by chance about as seldom as those that end: $perSecond a second of $tookMs ms",
    ({ perSecond, tookMs }) => {
      const random = seededRandom(1);
      let inFlight = Math.round((perSecond * tookMs) / 1e3);
      /** Windows of forty minutes, in which callers who know nothing of each other come, and calls end that take longer or shorter (exponential). */
      const tallies = Array.from({ length: 100_000 }, () => {
        const begun = poisson((perSecond * STRETCH_MS) / 1e3, random);
        let ended = 0;
        for (let call = 0; call < inFlight; call++) if (random() < 1 - Math.exp(-STRETCH_MS / tookMs)) ended++;
        inFlight += begun - ended;
        return { ended, inFlight };
      });
      const told = (isBegunTold: boolean): number => {
        const coming = lonePart(ComingCalls);
        let [nowMs, surges, wasSurge] = [0, 0, false];
        const begunMore = new BegunMore();
        for (const { ended, inFlight: after } of tallies) {
          nowMs += STRETCH_MS;
          const level = isBegunTold ? after : 0;
          // No window begins without a call that ends.
          const own = { function: "f", version: "1", side: "storage" as const, sums: sumsOf(ended), elapsed: [] };
          const [tally] = begunMore.told(ended === 0 ? [] : [own], () => level, true);
          if (tally !== undefined) coming.addStretch(tally, STRETCH_MS, STRETCH_MS, nowMs);
          const isSurge = coming.surge(coming.rates(nowMs), nowMs) !== null;
          if (isSurge && !wasSurge) surges++;
          wasSurge = isSurge;
        }
        return surges;
      };
      expect(told(true)).toBeLessThanOrEqual(3 * told(false) + 3);
    },
  );

  test("are never new, however many come all at once again and again", () => {
    // A hundred and four every 400 ms beside 400 a second, of which 700 a second can be served.
    const round = [{ ended: 600, begun: 4_560 }, ...times(14, { ended: 700, begun: 400 }), { ended: 160, begun: 400 }];
    const surges = surgesIn(Array.from({ length: 20 }, () => round).flat(), { ended: 400, begun: 400 });
    expect(surges.filter(({ surge }) => surge !== null).length).toBeGreaterThanOrEqual(20);
    expect(Math.max(...surges.map(({ surge }) => surge?.all ?? 0))).toBeGreaterThan(2 * 800);
    expect(surges.filter(({ surge }) => surge?.isNew === true)).toEqual([]);
  });

  test("are none where more end, as when a queue runs dry", () => {
    const draining = times(40, { ended: 2 * PER_SECOND, begun: 0.5 * PER_SECOND });
    const surges = surgesIn([...draining, ...times(2, { ended: 2 * PER_SECOND, begun: 1.5 * PER_SECOND })]);
    expect(surges.slice(-2).map(({ surge }) => surge)).toEqual([null, null]);
  });

  test.each([false, true])("are held against the most of them, if it has not been forgotten: %s", (isForgotten) => {
    const { comeIn, forgetMost } = whereEndAlways(100);
    comeIn(200, 0);
    comeIn(20, 100);
    comeIn(12, -100);
    if (isForgotten) forgetMost();
    expect(comeIn(1, 300)).toBe(isForgotten);
  });

  test("are no surge for a moment after a rest, of those who have come back", () => {
    const { comeIn, rest } = whereEndAlways(10);
    comeIn(200, 0);
    rest(3_000);
    comeIn(1, 0);
    expect(comeIn(1, 40)).toBe(false);
    comeIn(20, 0);
    expect(comeIn(1, 40)).toBe(true);
  });
});

describe("what comes after a pause, and more of it than before, is a surge", () => {
  /** As it is told 150 ms after the pause, of which so many times as many calls come as in the five seconds before it. */
  const surgeAfter = (
    pauseMs: number,
    times: number,
    atPause: (coming: LonePart<ComingCalls>, nowMs: number) => void = () => {},
  ) => {
    const coming = lonePart(ComingCalls);
    let nowMs = 0;
    const call = (perSecond: number, forMs: number): void => {
      for (const untilMs = nowMs + forMs; nowMs < untilMs;) {
        nowMs += STRETCH_MS;
        come(coming, perSecond, nowMs);
      }
    };
    call(PER_SECOND, 5_000);
    atPause(coming, nowMs);
    nowMs += pauseMs;
    call(times * PER_SECOND, 150);
    return coming.surge(coming.rates(nowMs), nowMs);
  };

  test.each([
    { times: 1.8, isNew: false },
    { times: 3, isNew: true },
    { times: 10, isNew: true },
  ])("or without one, in which $times times as many are new: $isNew", ({ times, isNew }) => {
    expect(surgeAfter(0, times)).toMatchObject({ isNew });
  });

  test("which is none where as many come as before, and not new where not twice as many do", () => {
    expect(surgeAfter(3_000, 1)).toBeNull();
    expect(surgeAfter(3_000, 1.8)).toMatchObject({ isNew: false });
  });

  test("and is where many more come, where the pause was long, and where they are other calls", () => {
    expect(surgeAfter(3_000, 3)).toMatchObject({ isNew: true });
    expect(surgeAfter(120_000, 1)).toMatchObject({ isNew: true });
    expect(surgeAfter(3_000, 1, (coming, nowMs) => coming.forgetMost(nowMs))).toMatchObject({ isNew: true });
  });
});

test("what comes back after a pause is taken for as much as before until it is known, whatever its first window says of how long it was", () => {
  const rateAfter = (pauseMs: number, times: number, forMs: number) => {
    const coming = lonePart(ComingCalls);
    let nowMs = 0;
    for (; nowMs < 5_000; nowMs += STRETCH_MS) come(coming, PER_SECOND, nowMs + STRETCH_MS);
    nowMs += pauseMs;
    for (let ms = 0; ms < forMs; ms += STRETCH_MS) {
      nowMs += STRETCH_MS;
      come(coming, times * PER_SECOND, nowMs, ms === 0 ? 250 : STRETCH_MS);
    }
    return coming.rates(nowMs).all / PER_SECOND;
  };
  expect(rateAfter(5_000, 1, 25)).toBeGreaterThan(0.9);
  expect(rateAfter(5_000, 1, 25)).toBeLessThanOrEqual(1.01);
  expect(rateAfter(5_000, 1, 500)).toBeCloseTo(1, 1);
  expect(rateAfter(60_000, 1, 25)).toBeCloseTo(0.53, 1);
  expect(rateAfter(5_000, 0.1, 1_000)).toBeLessThan(0.2);
  // Somebody else has come back, or one of many: what was before is not told again later either.
  for (const ms of [250, 500, 975, 1_025, 1_975, 2_025]) expect(rateAfter(5_000, 0.01, ms)).toBeLessThan(0.02);
});

test("a pause is as long as nothing came, whatever the window after it says of how long that was", () => {
  const leftAfter = (pauseMs: number): number => {
    const coming = lonePart(ComingCalls);
    let nowMs = 0;
    for (; nowMs < 5_000; nowMs += STRETCH_MS) come(coming, PER_SECOND, nowMs + STRETCH_MS);
    nowMs += pauseMs + STRETCH_MS;
    come(coming, PER_SECOND, nowMs, STRETCH_MS_MAX);
    return coming.rates(nowMs).all / PER_SECOND;
  };
  expect(leftAfter(700)).toBeGreaterThan(0.9);
  expect(leftAfter(550)).toBeGreaterThan(0.9);
  expect(leftAfter(400)).toBeLessThan(0.6);
});

test("what comes in waves after a pause is as much between two of them", () => {
  const coming = lonePart(ComingCalls);
  let nowMs = 0;
  const wave = (): void => {
    for (let ms = 0; ms < 100; ms += STRETCH_MS) come(coming, PER_SECOND, (nowMs += STRETCH_MS));
    nowMs += 100;
  };
  for (let at = 0; at < 25; at++) wave();
  nowMs += 5_000;
  const between = Array.from({ length: 4 }, () => {
    wave();
    return coming.rates(nowMs).all / PER_SECOND;
  });
  // But for the first, before it is known.
  expect(Math.min(...between.slice(1))).toBeGreaterThan(0.3);
});

test("what comes back by several nodes is as much, though the first window of each says that it was as long as the pause", () => {
  const coming = lonePart(ComingCalls);
  let nowMs = 0;
  for (; nowMs < 5_000; nowMs += STRETCH_MS) come(coming, PER_SECOND, nowMs + STRETCH_MS);
  nowMs += 5_000;
  for (const node of [0, 1]) come(coming, PER_SECOND / 2, nowMs + 5 * node, 250);
  expect(coming.rates(nowMs + 5).all / PER_SECOND).toBeGreaterThan(0.9);
});
