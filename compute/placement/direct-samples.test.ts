import { expect, test } from "vitest";
import { TALLY_TERMS } from "#runtime/profile/tally.ts";
import { DirectWindows } from "./direct-samples.ts";

interface Seen {
  /** null: an older module, which tells nothing of that. */
  readonly number: number | null;
  readonly restMs?: number;
  /** By function that was called. */
  readonly chosen?: Readonly<Record<string, number>>;
}

/** What is told of how many more began than ended, by function, of windows of the module in turn. */
const toldOf = (...windows: readonly Seen[]) => {
  const direct = new DirectWindows();
  return windows.map(({ number, restMs = 0, chosen = {} }) => {
    const tallies = Object.entries(chosen).map(([name, calls]) => ({
      function: name,
      version: "1",
      side: "storage" as const,
      sums: TALLY_TERMS.map(() => 1),
      elapsed: [],
      ...(number !== null && calls > 0 && { chosenInFlight: calls }),
    }));
    const numbered = number === null ? {} : { number, restMs };
    const told = direct.told({ stretchMs: 25, untracked: 0, inFlight: 1, ...numbered, tallies });
    return told.tallies.map(({ begunMore = 0 }) => begunMore);
  });
};

test("a window of the module tells how many more calls began than ended since the one before, but for what began in a rest between them", () => {
  const told = toldOf(
    { number: 1, chosen: { f: 3 } },
    { number: 2, chosen: { f: 13, g: 1 } },
    { number: 3, restMs: 25, chosen: { f: 0, g: 5 } },
    { number: 4, restMs: 26, chosen: { f: 9, g: 5 } },
    { number: 5, chosen: { f: 9, g: 6 } },
  );
  expect(told).toEqual([[0], [10, 0], [-13, 4], [0, 0], [0, 1]]);
});

test("nothing is told of what began since a window that another one has taken, or that had no call", () => {
  const told = toldOf(
    { number: 1, chosen: { f: 3 } },
    { number: 3, chosen: { f: 30 } },
    { number: 4 },
    { number: 5, chosen: { f: 60 } },
    { number: 6, chosen: { f: 61 } },
  );
  expect(told).toEqual([[0], [0], [], [0], [1]]);
});

test("an older module tells nothing of it", () => {
  expect(toldOf({ number: null, chosen: { f: 3 } }, { number: null, chosen: { f: 30 } })).toEqual([[0], [0]]);
});
