import { describe, expect, test } from "vitest";
import type { Side } from "#runtime/profile/sample.ts";
import { breachesNow, isClosedAt, NO_BREACHES, type Breaches } from "./p99-bound.ts";

const BOUND_US = 5_000;

/** From one state to the next, where calls are somewhere and the 99th percentiles are so long. */
class Bounded {
  breaches: Breaches = NO_BREACHES;
  isKnown = { compute: true, storage: true };

  at(nowMs: number, share: number, tailsUs: Readonly<Record<Side, number>>, boundUs: number | null = BOUND_US): this {
    const bounded = { boundUs, tailsUs, isKnown: this.isKnown, share, nowMs };
    this.breaches = breachesNow(this.breaches, bounded);
    this.closed = (["compute", "storage"] as const).filter((side) => isClosedAt(side, this.breaches, bounded));
    return this;
  }

  closed: readonly Side[] = [];
}

const both = (compute: number, storage: number) => ({ compute, storage });

describe("a side where a bound was broken", () => {
  const broken = (): Bounded => new Bounded().at(0, 1, both(1_000, 6_000));

  test("is closed at once, with what its percentile was", () => {
    expect(broken().closed).toEqual(["storage"]);
    expect(broken().breaches).toEqual({
      compute: null,
      storage: { p99Us: 6_000, isClosed: true, restMs: 10_000, untilMs: 10_000 },
    });
  });

  test("is closed for ten seconds, whatever visits find there, and then until they find that it keeps well below", () => {
    expect(broken().at(9_999, 0, both(1_000, 100)).closed).toEqual(["storage"]);
    expect(broken().at(10_000, 0, both(1_000, 4_001)).closed).toEqual(["storage"]);
    expect(broken().at(10_000, 0, both(1_000, 4_000)).closed).toEqual([]);
  });

  test("is closed for twice as long each time that it is broken again soon, and for five minutes at most", () => {
    const load = broken();
    let nowMs = 0;
    const rests: number[] = [];
    for (let time = 0; time < 8; time++) {
      const { restMs } = load.breaches.storage!;
      rests.push(restMs);
      nowMs += restMs;
      expect(load.at(nowMs - 1, 0, both(1_000, 100)).closed).toEqual(["storage"]);
      expect(load.at(nowMs, 0, both(1_000, 100)).closed).toEqual([]);
      nowMs += restMs / 2;
      expect(load.at(nowMs, 1, both(1_000, 6_000)).closed).toEqual(["storage"]);
    }
    expect(rests).toEqual([10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1e3));
  });

  test("is closed for ten seconds again where it was kept for ten times as long as it had been closed", () => {
    const load = broken().at(10_000, 0, both(1_000, 100));
    expect(load.at(109_999, 1, both(1_000, 100)).breaches.storage).toMatchObject({ isClosed: false });
    expect(load.at(110_000, 1, both(1_000, 100)).breaches).toEqual(NO_BREACHES);
    expect(load.at(110_001, 1, both(1_000, 6_000)).breaches.storage).toMatchObject({ restMs: 10_000 });
  });

  test("is open where another bound is asked for, that it has kept, or none", () => {
    expect(broken().at(1, 0, both(1_000, 100), 6_000).closed).toEqual([]);
    expect(broken().at(1, 0, both(1_000, 100), null).breaches).toBe(NO_BREACHES);
    expect(broken().at(1, 0, both(1_000, 100), 4_000).closed).toEqual(["storage"]);
  });

  test("is open as soon as it keeps it, where calls are there nonetheless", () => {
    const load = broken().at(1, 0.5, both(6_000, 5_001));
    expect(load.closed).toEqual(["compute", "storage"]);
    expect(load.at(2, 0.5, both(4_999, 5_000)).closed).toEqual([]);
  });

  test("rests no longer for having crossed it again and again where calls had to stay", () => {
    const load = broken();
    for (let at = 1; at < 20; at++) load.at(at, 1, both(7_000, at % 2 === 0 ? 5_100 : 4_900));
    expect(load.at(20, 1, both(7_000, 5_100)).breaches.storage).toMatchObject({ restMs: 10_000 });
  });

  test("is closed while its percentile is beyond it, and no longer, where its code is still to be compiled there", () => {
    const load = new Bounded();
    load.isKnown = { compute: true, storage: false };
    expect(load.at(0, 1, both(1_000, 6_000)).closed).toEqual(["storage"]);
    expect(load.breaches).toBe(NO_BREACHES);
    expect(load.at(1, 0, both(1_000, 5_000)).closed).toEqual([]);
  });
});

test("a side that only visits have found too slow is closed while they do, and no longer", () => {
  const load = new Bounded().at(0, 0, both(1_000, 6_000));
  expect(load.closed).toEqual(["storage"]);
  expect(load.breaches).toBe(NO_BREACHES);
  expect(load.at(1, 0, both(1_000, 5_000)).closed).toEqual([]);
});

test("nothing is made anew where nothing changes", () => {
  const load = new Bounded().at(0, 1, both(1_000, 6_000));
  const { breaches } = load;
  expect(load.at(1, 0, both(1_000, 6_000)).breaches).toBe(breaches);
});
