import { expect, test } from "vitest";
import { bestShares, type Shares } from "./best-shares.ts";

test("finds the corner where it is best", async () => {
  const shares = await bestShares(["walk", "hash"], async ({ walk = 0, hash = 0 }) => 100 + 10 * walk - 20 * hash);
  expect(shares).toEqual({ walk: 1, hash: 0 });
});

test("finds a share in between, of one function among three", async () => {
  const rate = async ({ a = 0, b = 0, c = 0 }: Shares) => 100 + 50 * a - 20 * b - 40 * Math.abs(c - 0.375);
  expect(await bestShares(["a", "b", "c"], rate)).toEqual({ a: 1, b: 0, c: 0.375 });
});

test("a try that was lucky once does not win", async () => {
  let lucky = true;
  const shares = await bestShares(["a"], async ({ a = 0 }) => {
    if (a !== 0.5) return 100 + a;
    const rate = lucky ? 1_000 : 50;
    lucky = false;
    return rate;
  });
  expect(shares).toEqual({ a: 1 });
});

test("a corner whose first tries were unlucky is tried again, as often as the best", async () => {
  const tries: number[] = [];
  const shares = await bestShares(["a"], async ({ a = 0 }) => {
    tries.push(a);
    const isAtFirst = tries.filter((share) => share === a).length <= 2;
    return a === 0 && isAtFirst ? 1 : 100 - a;
  });
  expect(shares).toEqual({ a: 0 });
  expect([0, 1].map((corner) => tries.filter((share) => share === corner).length)).toEqual([5, 5]);
});

test("what a slow moment has disturbed is tried again after all others", async () => {
  let tries = 0;
  const shares = await bestShares(["a"], async ({ a = 0 }) => {
    tries += 1;
    const rate = 100 - 40 * Math.abs(a - 0.25);
    // All that are tried first in between, and nothing after that.
    return tries >= 5 && tries <= 7 ? rate / 4 : rate;
  });
  expect(shares).toEqual({ a: 0.25 });
});
