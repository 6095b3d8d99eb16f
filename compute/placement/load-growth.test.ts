import { expect, test } from "vitest";
import { poisson, seededRandom } from "#runtime/seeded-random.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { LoadGrowth } from "./load-growth.ts";

const LOOK_MS = 25;

/** Calls that come by chance, so many a second, and others in flight; how many times of all looks there was suddenly more. */
function played() {
  const random = seededRandom(1);
  const growth = new LoadGrowth();
  let nowMs = 0;
  const grownIn = (looks: number, perSecond: Readonly<Partial<Record<Side, number>>>, inFlight: number): number => {
    let grown = 0;
    for (let look = 0; look < looks; look++) {
      nowMs += LOOK_MS;
      for (const side of ["compute", "storage"] as const) {
        const calls = poisson(((perSecond[side] ?? 0) * LOOK_MS) / 1e3, random);
        const sample = { ...NO_USAGE, function: "f", version: "1", side, outcome: "ok" } as const;
        for (let call = 0; call < calls; call++) growth.add({ ...sample, cpuUs: 500 + 1_000 * random() });
      }
      if (growth.isGrown(poisson(inFlight, random), nowMs)) grown += 1;
    }
    return grown;
  };
  return { grownIn, rest: (ms: number): void => void (nowMs += ms) };
}

const USUAL = { compute: 2_000, storage: 400 };

test.each([0.5, 4, 64])("of calls that come by chance, %d of them in flight, hardly ever more has come", (inFlight) => {
  expect(played().grownIn(4_000, USUAL, inFlight)).toBeLessThan(40);
});

test("three times the work of one side is more, beside ten times as much of the other", () => {
  for (const more of [{ storage: 1_200 }, { compute: 6_000 }]) {
    const { grownIn } = played();
    grownIn(100, USUAL, 4);
    expect(grownIn(3, { ...USUAL, ...more }, 4)).toBeGreaterThan(0);
  }
});

test("so are calls in flight that have become many, whatever ends", () => {
  const { grownIn } = played();
  grownIn(100, USUAL, 4);
  expect(grownIn(2, USUAL, 40)).toBe(1);
});

test("what has become usual is no more", () => {
  const { grownIn } = played();
  grownIn(100, USUAL, 4);
  const more = { compute: 2_000, storage: 1_200 };
  expect(grownIn(4, more, 40)).toBe(1);
  expect(grownIn(400, more, 40)).toBeLessThan(4);
});

test("what ends all at once since the node has stood still is no more", () => {
  const growth = new LoadGrowth();
  const sample = { ...NO_USAGE, function: "f", version: "1", side: "storage", outcome: "ok", cpuUs: 1_000 } as const;
  let nowMs = 0;
  const grown = [25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 100, 25, 25, 25].map((ms, at, all) => {
    nowMs += ms;
    // What has ended in the hundred ms is heard of after them.
    const endedMs = ms === 100 ? 0 : ms + (all[at - 1] === 100 ? 100 : 0);
    for (let call = 0; call < endedMs; call++) growth.add(sample);
    return growth.isGrown(4, nowMs);
  });
  expect(grown).not.toContain(true);
});

test("after a rest nothing is usual yet", () => {
  const { grownIn, rest } = played();
  grownIn(100, USUAL, 4);
  rest(2_000);
  expect(grownIn(10, { compute: 20_000, storage: 4_000 }, 400)).toBe(0);
});
