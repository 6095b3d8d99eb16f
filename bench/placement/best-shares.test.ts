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
