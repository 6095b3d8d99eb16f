import { describe, expect, test } from "vitest";
import { callersAfter, callersGrown, inFlightAt, type Callers } from "./callers.ts";

const WINDOW_MS = 25;

/** What a node has told after these windows, each with so many in flight; null: no window came. */
const told = (windows: readonly (number | null)[], before?: Callers): Callers => {
  let [callers, atMs] = [before, before?.atMs ?? 0];
  for (const inFlight of windows) {
    atMs += WINDOW_MS;
    if (inFlight !== null) callers = callersAfter(callers, { inFlight, windowMs: WINDOW_MS }, atMs);
  }
  return callers!;
};
const times = (count: number, inFlight: number | null): readonly (number | null)[] =>
  Array.from({ length: count }, () => inFlight);
const STEADY = told(times(80, 16));
/** As the last window of one of them comes. */
const grown = (...all: readonly Callers[]): number => callersGrown(all, Math.max(0, ...all.map(({ atMs }) => atMs)));

describe("callers", () => {
  test("who are as many have not grown, nor those of whom there are fewer", () => {
    expect(grown(STEADY)).toBeCloseTo(1, 2);
    expect(grown(told(times(4, 8), STEADY))).toBeLessThan(0.8);
  });

  test.each([1, 5, 20, 50])("who are as many have not grown where each window comes %i ms late", (lateMs) => {
    let callers: Callers | undefined;
    let atMs = 0;
    for (let window = 0; window < 80; window++) {
      atMs += WINDOW_MS + lateMs;
      callers = callersAfter(callers, { inFlight: 16, windowMs: WINDOW_MS }, atMs);
    }
    expect(grown(callers!)).toBeCloseTo(1, 2);
  });

  test.each([
    { more: 1.5, windows: 2 },
    { more: 2, windows: 1 },
    { more: 10, windows: 1 },
  ])("of whom there are $more times as many have grown by a tenth within $windows windows", ({ more, windows }) => {
    expect(grown(told(times(windows, 16 * more), STEADY))).toBeGreaterThan(1.1);
  });

  test("have grown no more when as many have been there for two seconds", () => {
    expect(grown(told(times(80, 64), STEADY))).toBeLessThan(1.05);
  });

  test("who come back after a pause have grown, and so has whoever comes first", () => {
    expect(grown(told([...times(120, null), 16], STEADY))).toBeGreaterThan(5);
    expect(grown(told([16]))).toBeGreaterThan(5);
  });

  test("of several nodes are taken together: those who go from one to another have not grown", () => {
    const [come, gone] = [told(times(2, 24), STEADY), told(times(2, 8), STEADY)];
    expect(grown(come)).toBeGreaterThan(1.1);
    expect(grown(come, gone)).toBeCloseTo(1, 1);
  });

  test("of a node that has gone hide no others for longer than two seconds", () => {
    const gone = told(times(80, 100));
    const come = told([...times(78, 16), ...times(2, 32)], STEADY);
    expect(grown(gone, come)).toBeGreaterThan(1.1);
  });

  test("are none where nobody has told any", () => {
    expect(grown()).toBe(1);
    expect(grown(told(times(3, 0)))).toBe(1);
    expect(inFlightAt([], 0)).toBe(0);
  });

  test("are averaged, and fade while nothing is told", () => {
    const wavering = told(Array.from({ length: 80 }, (_, at) => (at % 2 === 0 ? 10 : 20)));
    expect(inFlightAt([wavering, STEADY], wavering.atMs)).toBeGreaterThan(30);
    expect(inFlightAt([wavering, STEADY], wavering.atMs)).toBeLessThan(32);
    expect(inFlightAt([STEADY], STEADY.atMs + 250)).toBeCloseTo(8, 0);
  });
});
