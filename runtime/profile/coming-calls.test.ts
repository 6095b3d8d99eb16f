import { describe, expect, test } from "vitest";
import { lonePart, type LonePart } from "./lone-part.ts";
import { ComingCalls } from "./coming-calls.ts";
import { TALLY_TERMS } from "./tally.ts";
import { STRETCH_MS_MAX } from "./window-length.ts";

const STRETCH_MS = 25;
const PER_SECOND = 20_000;

/** So many a second, in a window that ends then. */
const come = (coming: LonePart<ComingCalls>, perSecond: number, nowMs: number, stretchMs = STRETCH_MS): void => {
  const calls = (perSecond * STRETCH_MS) / 1e3;
  const sums = TALLY_TERMS.map((term) => (term === "calls" ? calls : 0));
  coming.addStretch({ side: "compute", sums }, stretchMs, STRETCH_MS, nowMs);
};

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
