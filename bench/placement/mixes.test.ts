import { expect, test } from "vitest";
import { MIXES, weightsOf } from "./mixes.ts";
import { CALLERS } from "./suite.ts";

test("a mix has as many calls of each function as it makes alone on its better side, with no more callers than it is to have", async () => {
  const rates = { walks: [1_000, 4_000], hashes: [250, 200] } as const;
  const asked: (readonly [string, number, number])[] = [];
  const workloads = [
    { name: "walks", callers: CALLERS + 1 },
    { name: "hashes", callers: 2 },
  ] as const;
  const weights = await weightsOf(workloads, async ({ name }, callers, share) => {
    asked.push([name, callers, share]);
    return rates[name][share as 0 | 1];
  });
  expect(weights).toEqual([4_000, 250]);
  expect(asked).toEqual([
    ["walks", CALLERS, 0],
    ["walks", CALLERS, 1],
    ["hashes", 2, 0],
    ["hashes", 2, 1],
  ]);
});

test("six mixes of two functions or three, the first of which walks and hashes passwords", () => {
  expect(MIXES[0]).toEqual({ name: "walkAndHash", functions: ["khop", "hash-password"] });
  expect(MIXES.map(({ functions }) => functions.length)).toEqual([2, 2, 3, 2, 2, 3]);
});
