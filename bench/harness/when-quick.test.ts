import { expect, test } from "vitest";
import { Allowance } from "./allowance.ts";
import type { Measure } from "./contest.ts";
import { WhenQuick } from "./when-quick.ts";

const TAKES_MS = 1_000;

/** In a time of its own: cores that are slowed in these stretches of it, and a peer that says when it ran. */
const world = (slowed: readonly (readonly [fromMs: number, untilMs: number])[], extraMs: number) => {
  let nowMs = 0;
  const sleep = async (ms: number): Promise<void> => void (nowMs += ms);
  const slowedMsUntil = (ms: number): number =>
    slowed.reduce((sum, [fromMs, untilMs]) => sum + Math.max(0, Math.min(untilMs, ms) - fromMs), 0);
  const witness = {
    slowdown: async (lastMs: number) =>
      slowedMsUntil(nowMs) - slowedMsUntil(nowMs - lastMs) > lastMs / 2 ? 1.4 : 1.01,
  };
  const whenQuick = new WhenQuick(witness, new Allowance(extraMs), { nowMs: () => nowMs, sleep });
  const measure = async (leadInMs = 0): Promise<Measure> =>
    whenQuick.measure(async () => {
      const value = nowMs;
      await sleep(leadInMs + TAKES_MS);
      return { value, leadInMs };
    });
  return { whenQuick, measure, sleep };
};

test("what is quick is measured at once, and once", async () => {
  const { whenQuick, measure } = world([], 60_000);
  whenQuick.beginTurn(1);
  expect(await measure()).toEqual({ value: 0, leadInMs: 0, isDisturbed: false });
  expect(whenQuick.disturbances).toEqual({ measurements: 1, disturbed: 0, repeated: 0, waitedMs: 0 });
});

test("while a core is slowed a measurement waits", async () => {
  const { whenQuick, measure } = world([[-1_000, 800]], 60_000);
  whenQuick.beginTurn(1);
  const { value, isDisturbed } = await measure();
  expect(value).toBeGreaterThanOrEqual(800);
  expect(isDisturbed).toBe(false);
  expect(whenQuick.disturbances).toMatchObject({ disturbed: 0, repeated: 0, waitedMs: value });
});

test("what was disturbed is measured once more, when the cores are quick again", async () => {
  const { whenQuick, measure } = world([[100, 1_500]], 60_000);
  whenQuick.beginTurn(1);
  const { value, isDisturbed } = await measure();
  expect(value).toBeGreaterThanOrEqual(1_500);
  expect(isDisturbed).toBe(false);
  expect(whenQuick.disturbances).toMatchObject({ measurements: 1, disturbed: 0, repeated: 1 });
});

test("what is disturbed again counts as it was, and is not measured a third time", async () => {
  const slowed = [
    [100, 1_500],
    [2_100, 9_000],
  ] as const;
  const { whenQuick, measure } = world(slowed, 60_000);
  whenQuick.beginTurn(1);
  expect(await measure()).toMatchObject({ value: 0, isDisturbed: true });
  expect(whenQuick.disturbances).toMatchObject({ measurements: 1, disturbed: 1, repeated: 1 });
});

test("a machine that is never quick is measured nonetheless, and not twice, in vain", async () => {
  const { whenQuick, measure } = world([[-1_000, 1e9]], 60_000);
  whenQuick.beginTurn(1);
  expect(await measure()).toMatchObject({ isDisturbed: true });
  expect(whenQuick.disturbances).toMatchObject({ measurements: 1, disturbed: 1, repeated: 0 });
});

test("without extra time nothing waits and nothing is repeated: what is disturbed is told", async () => {
  const { whenQuick, measure } = world([[-1_000, 1_500]], 0);
  whenQuick.beginTurn(1);
  expect(await measure()).toEqual({ value: 0, leadInMs: 0, isDisturbed: true });
  expect(await measure()).toEqual({ value: TAKES_MS, leadInMs: 0, isDisturbed: false });
  expect(whenQuick.disturbances).toEqual({ measurements: 2, disturbed: 1, repeated: 0, waitedMs: 0 });
});

test("once more is nothing measured that takes longer than what the turn has left", async () => {
  const { whenQuick, measure } = world([[100, 1_100]], TAKES_MS / 2);
  whenQuick.beginTurn(1);
  expect(await measure()).toMatchObject({ value: 0, isDisturbed: true });
  expect(whenQuick.disturbances).toMatchObject({ repeated: 0 });
});

test("late turns have extra time as well", async () => {
  const { whenQuick, measure, sleep } = world([[-1_000, 20_000]], 2_000);
  whenQuick.beginTurn(2);
  for (let peer = 0; peer < 10; peer++) await measure();
  const waitedMs = whenQuick.disturbances.waitedMs;
  await sleep(19_500 - waitedMs - 10 * TAKES_MS);
  whenQuick.beginTurn(1);
  expect(await measure()).toMatchObject({ isDisturbed: false });
  expect(whenQuick.disturbances.waitedMs).toBeGreaterThan(waitedMs);
});

test("a lead-in may be disturbed", async () => {
  const { whenQuick, measure } = world([[100, 2_000]], 60_000);
  whenQuick.beginTurn(1);
  expect(await measure(2_000)).toMatchObject({ value: 0, isDisturbed: false });
  expect(whenQuick.disturbances).toMatchObject({ repeated: 0 });
});
