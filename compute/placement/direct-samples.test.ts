import { expect, test } from "vitest";
import { TALLY_TERMS } from "#runtime/profile/tally.ts";
import { DirectWindows } from "./direct-samples.ts";

interface Seen {
  readonly number: number;
  readonly restMs?: number;
  /** Calls in flight of each function that was called. */
  readonly chosen?: Readonly<Record<string, number>>;
}

/** How many more calls of each function have begun than ended, by the module's windows one after another. */
const begunMoreIn = (...windows: readonly Seen[]) => {
  const direct = new DirectWindows();
  return windows.map(({ number, restMs = 0, chosen = {} }) => {
    const tallies = Object.entries(chosen).map(([name, calls]) => ({
      function: name,
      version: "1",
      side: "storage" as const,
      sums: TALLY_TERMS.map(() => 1),
      elapsed: [],
      ...(calls > 0 && { chosenInFlight: calls }),
    }));
    return direct
      .next({ stretchMs: 25, inFlight: 1, number, restMs, tallies })
      .tallies.map((one) => one.begunMore ?? 0);
  });
};

test("a window tells how many more calls began than ended since the one before, unless there was a rest between them", () => {
  const begunMore = begunMoreIn(
    { number: 1, chosen: { f: 3 } },
    { number: 2, chosen: { f: 13, g: 1 } },
    { number: 3, restMs: 25, chosen: { f: 0, g: 5 } },
    { number: 4, restMs: 26, chosen: { f: 9, g: 5 } },
    { number: 5, chosen: { f: 9, g: 6 } },
  );
  expect(begunMore).toEqual([[0], [10, 0], [-13, 4], [0, 0], [0, 1]]);
});

test("calls that began since a window of another client, or one without calls, are not counted", () => {
  const begunMore = begunMoreIn(
    { number: 1, chosen: { f: 3 } },
    { number: 3, chosen: { f: 30 } },
    { number: 4 },
    { number: 5, chosen: { f: 60 } },
    { number: 6, chosen: { f: 61 } },
  );
  expect(begunMore).toEqual([[0], [0], [], [0], [1]]);
});
