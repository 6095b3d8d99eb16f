import * as fc from "fast-check";
import { expect, test } from "vitest";
import { SharedTime } from "./shared-time.ts";

const WITHIN_MS = 900;
const TIMES = 32;

/** How often each kind of work was done, one after the other, and how long all took. `runsMs`: how long one of each kind takes. */
async function sharedBy(
  runsMs: readonly number[],
): Promise<{ readonly times: readonly number[]; readonly ms: number }> {
  let nowMs = 0;
  const time = new SharedTime({ untilMs: WITHIN_MS, parts: runsMs.length, nowMs: () => nowMs });
  const times: number[] = [];
  for (const ms of runsMs) {
    const done = await time.next().repeat(TIMES, async () => {
      nowMs += ms;
    });
    times.push(done.length);
  }
  return { times, ms: nowMs };
}

const some = (most: number) => ({ minLength: 1, maxLength: most });

test("all kinds of work are done once at least, and all together end in time where each fits into its part", async () => {
  const kinds = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), some(40));
  await fc.assert(
    fc.asyncProperty(kinds, async (sizes) => {
      const { times, ms } = await sharedBy(sizes.map((size) => (size * WITHIN_MS) / sizes.length));
      expect(ms).toBeLessThanOrEqual(WITHIN_MS + 1e-6);
      for (const done of times) expect(done).toBeGreaterThanOrEqual(1);
    }),
  );
});

test("what takes longer than its part takes it from those after it: so a calibration over a slow network ends in time", async () => {
  // Twenty-seven kinds of runs, as `calibrate.ts` has; chains of 32 reads at 2 ms each, and those that ask little.
  const long = Array.from({ length: 3 }, () => 70);
  const short = Array.from({ length: 24 }, () => 5);
  const { times, ms } = await sharedBy([...long, ...short]);
  expect(times.slice(0, long.length)).toEqual([1, 1, 1]);
  expect(Math.min(...times.slice(long.length))).toBeGreaterThan(1);
  expect(ms).toBeLessThanOrEqual(WITHIN_MS);
});

test("what is quick is done often enough and leaves its time to the others", async () => {
  const { times } = await sharedBy([0.1, 0.1, 0.1, 20]);
  expect(times).toEqual([TIMES, TIMES, TIMES, TIMES]);
});

test("once the time is over each kind is still done once", async () => {
  const { times, ms } = await sharedBy([2 * WITHIN_MS, 10, 10]);
  expect(times).toEqual([1, 1, 1]);
  expect(ms).toBe(2 * WITHIN_MS + 20);
});
