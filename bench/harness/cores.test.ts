import { expect, test } from "vitest";
import { apartLayout, parseCoreList, pairLayout, serverLayout, sharingOf, splitLayout } from "./cores.ts";

test.for([
  [[0, 1, 2, 3], { redis: [0], host: [1], node: [2, 3], load: [2, 3] }],
  [[0, 2, 4, 6, 8], { redis: [0], host: [2], node: [4, 6], load: [8] }],
  [[0, 1, 2, 3, 4, 5, 6, 7], { redis: [0], host: [1], node: [2, 3], load: [4, 5] }],
] as const)("of the cores %j storage and compute share none", ([cores, parts]) => {
  expect(apartLayout(cores)).toEqual({ pinned: true, cores: parts });
  expect(pairLayout(cores)).toEqual({ pinned: true, cores: parts });
});

test.for([
  [[0, 1], { redis: [0], host: [1], node: [1], load: [1] }],
  [[0, 1, 2], { redis: [0], host: [1], node: [1, 2], load: [1, 2] }],
] as const)("of the cores %j Redis has one, where one reads and the other answers", ([cores, parts]) => {
  expect(pairLayout(cores)).toEqual({ pinned: true, cores: parts });
});

test("otherwise with fewer than four cores nothing is pinned, and the result says so", () => {
  for (const layout of [apartLayout([0, 1]), serverLayout([0, 1, 2]), pairLayout([0])]) {
    expect(layout.pinned).toBe(false);
    expect(sharingOf(layout)).toContain("nothing is pinned");
  }
});

test.for([
  [[0, 1], [0], [1]],
  [
    [0, 1, 2, 3, 8],
    [0, 1],
    [2, 3],
  ],
] as const)("storage and compute have half of the cores %j each", ([cores, storage, compute]) => {
  const parts = { redis: storage, host: storage, node: compute, load: compute };
  expect(splitLayout(cores)).toEqual({ pinned: true, cores: parts });
  expect(splitLayout([0]).pinned).toBe(false);
});

test("a server and its load share no core, and what idles is with the load", () => {
  const layout = serverLayout([0, 1, 2, 3]);
  expect(layout.cores).toEqual({ redis: [2, 3], host: [2, 3], node: [0, 1], load: [2, 3] });
  expect(sharingOf(layout)).toBe("by core: redis, host, load on 2,3; node on 0,1");
});

test.for([
  ["0", [0]],
  ["0-3", [0, 1, 2, 3]],
  ["0-1,8,10-11\n", [0, 1, 8, 10, 11]],
] as const)("the core list %j is %j", ([text, cores]) => {
  expect(parseCoreList(text)).toEqual(cores);
});
