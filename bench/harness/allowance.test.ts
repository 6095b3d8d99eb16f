import { expect, test } from "vitest";
import { Allowance, roomUntil } from "./allowance.ts";

test("each group has an equal part, and in the next pass of what those before have left", () => {
  const allowance = new Allowance(12_000);
  allowance.beginPass(4);
  allowance.beginPart(4);
  expect(allowance.partMs).toBe(3_000);
  allowance.spend(3_000);
  expect(allowance.partMs).toBe(0);
  allowance.beginPart(3);
  allowance.beginPart(2);
  expect(allowance.partMs).toBe(3_000);
  expect(allowance.leftMs).toBe(9_000);
  allowance.beginPass(2);
  allowance.beginPart(2);
  expect(allowance.partMs).toBe(4_500);
});

test("what one takes too much the later ones lack, and no more is there than there was", () => {
  const allowance = new Allowance(4_000);
  allowance.beginPass(4);
  allowance.beginPart(4);
  allowance.spend(2_500);
  expect(allowance.partMs).toBe(0);
  allowance.beginPart(3);
  expect(allowance.partMs).toBe(500);
  allowance.spend(9_000);
  expect(allowance.leftMs).toBe(0);
  allowance.beginPart(2);
  expect(allowance.partMs).toBe(0);
});

test("without any, no group has some", () => {
  const allowance = new Allowance(0);
  allowance.beginPass(1);
  allowance.beginPart(1);
  expect(allowance.partMs).toBe(0);
});

test("no group has more than its part of the room that there is, and what there is no room for is not lost", () => {
  const allowance = new Allowance(12_000);
  allowance.beginPass(3);
  allowance.beginPart(3, 6_000);
  expect(allowance.partMs).toBe(2_000);
  allowance.spend(2_000);
  allowance.beginPart(2, 0);
  expect(allowance.partMs).toBe(0);
  allowance.beginPass(1);
  allowance.beginPart(1, 60_000);
  expect(allowance.partMs).toBe(10_000);
});

test.each([
  ["is what the turns to come leave of it", { plannedMs: 1_000, tookMs: 1_000 }, 300],
  ["is less where turns took longer than planned", { plannedMs: 1_000, tookMs: 1_200 }, 200],
  ["is nothing where they are too slow for it", { plannedMs: 1_000, tookMs: 2_000 }, 0],
  ["is no more where they were quicker", { plannedMs: 1_000, tookMs: 500 }, 300],
  ["is by the plan where none was made", { plannedMs: 0, tookMs: 0 }, 300],
] as const)("the room until then %s", (_, pace, room) => {
  expect(roomUntil(10_000, 9_200, pace, 500)).toBe(room);
});

test("without an end there is room for all", () => {
  expect(roomUntil(Infinity, 9_200, { plannedMs: 1_000, tookMs: 2_000 }, 500)).toBe(Infinity);
});
