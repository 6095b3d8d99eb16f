import { expect, test } from "vitest";
import { Allowance } from "./allowance.ts";

test("each group has an equal part, and what the ones before have left", () => {
  const allowance = new Allowance(12_000);
  allowance.beginPart(4);
  expect(allowance.partMs).toBe(3_000);
  allowance.spend(3_000);
  expect(allowance.partMs).toBe(0);
  allowance.beginPart(3);
  expect(allowance.partMs).toBe(3_000);
  allowance.beginPart(2);
  expect(allowance.partMs).toBe(4_500);
});

test("what one takes too much the later ones lack, and no more is there than there was", () => {
  const allowance = new Allowance(4_000);
  allowance.beginPart(4);
  allowance.spend(2_500);
  expect(allowance.partMs).toBe(0);
  allowance.beginPart(3);
  expect(allowance.partMs).toBe(500);
  allowance.spend(9_000);
  allowance.beginPart(2);
  expect(allowance.partMs).toBe(0);
});

test("without any, no group has some", () => {
  const allowance = new Allowance(0);
  allowance.beginPart(1);
  expect(allowance.partMs).toBe(0);
});
