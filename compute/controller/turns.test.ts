import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

const following = () => {
  const told: boolean[] = [];
  let goOn: (() => void) | null = null;
  const turns = new Turns((isHeld) => {
    told.push(isHeld);
    return new Promise<void>((resolve) => {
      goOn = resolve;
    });
  });
  const next = async (): Promise<void> => {
    goOn?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { told, turns, next };
};

test("the first turn is told at once, and the next when that has been followed", async () => {
  const { told, turns, next } = following();
  turns.tell(true);
  turns.tell(false);
  expect(told).toEqual([true]);
  await next();
  expect(told).toEqual([true, false]);
  await next();
  turns.tell(false);
  expect(told).toEqual([true, false, false]);
});

test("of what comes meanwhile the last is told once, and a loss before it", async () => {
  const { told, turns, next } = following();
  turns.tell(true);
  for (const isHeld of [true, true, false, true, true]) turns.tell(isHeld);
  for (let turn = 0; turn < 4; turn++) await next();
  expect(told).toEqual([true, false, true]);
  turns.tell(true);
  for (const isHeld of [false, true, false, false]) turns.tell(isHeld);
  for (let turn = 0; turn < 4; turn++) await next();
  expect(told.slice(3)).toEqual([true, false]);
});
