import { expect, test } from "vitest";
import { Allowance } from "./allowance.ts";

test("each turn has an equal part, and what the ones before have left", () => {
  const allowance = new Allowance(12_000);
  allowance.beginTurn(4);
  expect(allowance.turnMs).toBe(3_000);
  allowance.spend(3_000);
  expect(allowance.turnMs).toBe(0);
  allowance.beginTurn(3);
  expect(allowance.turnMs).toBe(3_000);
  allowance.beginTurn(2);
  expect(allowance.turnMs).toBe(4_500);
});

test("what one takes too much the later ones lack, and no more is there than there was", () => {
  const allowance = new Allowance(4_000);
  allowance.beginTurn(4);
  allowance.spend(2_500);
  expect(allowance.turnMs).toBe(0);
  allowance.beginTurn(3);
  expect(allowance.turnMs).toBe(500);
  allowance.spend(9_000);
  allowance.beginTurn(2);
  expect(allowance.turnMs).toBe(0);
});

test("without any, no turn has some", () => {
  const allowance = new Allowance(0);
  allowance.beginTurn(1);
  expect(allowance.turnMs).toBe(0);
});
