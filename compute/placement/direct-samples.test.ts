import { expect, test } from "vitest";
import { BegunMore } from "#runtime/profile/begun-more.ts";
import { TALLY_TERMS } from "#runtime/profile/tally.ts";
import { withBegunMore } from "./direct-samples.ts";

const windowOf = (stretchMs: number, inFlight: Readonly<Record<string, number>>) => ({
  stretchMs,
  untracked: 0,
  inFlight: 1,
  tallies: Object.entries(inFlight).map(([name, calls]) => ({
    function: name,
    version: "1",
    side: "storage" as const,
    sums: TALLY_TERMS.map(() => 1),
    elapsed: [],
    ...(calls > 0 && { inFlight: calls }),
  })),
});

test("a window of the module tells how many more calls began than ended since the one before, but for what began in a rest between them", () => {
  const begunMore = new BegunMore();
  const told = (stretchMs: number, inFlight: Readonly<Record<string, number>>) =>
    withBegunMore(windowOf(stretchMs, inFlight), begunMore).tallies.map((tally) => tally.begunMore);
  const nothing = undefined;
  expect(told(25, { f: 3 })).toEqual([nothing]);
  expect(told(26, { f: 13, g: 1 })).toEqual([10, nothing]);
  expect(told(50, { f: 0, g: 5 })).toEqual([-13, 4]);
  expect(told(51, { f: 9, g: 5 }), "nobody called for longer than a window").toEqual([nothing, nothing]);
  expect(told(25, { f: 9, g: 6 })).toEqual([nothing, 1]);
});
