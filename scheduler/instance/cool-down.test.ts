import { expect, test } from "vitest";

import { CoolDown } from "./cool-down.ts";

test("failed starts make the next one wait, twice as long each time, until one comes to an instance", () => {
  const coolDown = new CoolDown();
  let now = 0;
  const pauses = Array.from({ length: 12 }, () => {
    const pauseMs = coolDown.failed(now, now + 10) - (now + 10);
    now += 10 + pauseMs;
    return pauseMs;
  });
  expect(pauses.slice(0, 4)).toEqual([100, 200, 400, 800]);
  expect(pauses.at(-1)).toBe(30_000);
  coolDown.started();
  expect(coolDown.failed(now, now)).toBe(now + 100);
});

test("the first death costs no pause, those that follow do, though each start before them went well", () => {
  const coolDown = new CoolDown();
  let now = 0;
  const pauses = Array.from({ length: 12 }, () => {
    coolDown.started();
    const pauseMs = Math.max(0, coolDown.died(now, now + 10) - (now + 10));
    now += 10 + pauseMs;
    return pauseMs;
  });
  expect(pauses.slice(0, 4)).toEqual([0, 100, 200, 400]);
  expect(pauses.at(-1)).toBe(30_000);
});

test("a death after a call that ended well, or after a while, is the first again", () => {
  const coolDown = new CoolDown();
  coolDown.died(0, 1);
  coolDown.endedWell();
  expect(coolDown.died(2, 3)).toBeLessThanOrEqual(3);
  expect(coolDown.died(4, 5)).toBe(105);
  expect(coolDown.died(105, 30_105)).toBe(30_305);
  expect(coolDown.died(60_305, 60_306)).toBeLessThanOrEqual(60_306);
});

test("instances that were there at the last death, and starts that were under way at the last failure, are of the same", () => {
  const coolDown = new CoolDown();
  for (let instance = 0; instance < 20; instance++) expect(coolDown.died(instance, 100 + instance)).toBe(-Infinity);
  expect(coolDown.died(100, 200)).toBe(300);
  for (let instance = 0; instance < 20; instance++) expect(coolDown.died(150, 201 + instance)).toBe(300);
  const starts = new CoolDown();
  for (let start = 0; start < 20; start++) expect(starts.failed(start, 100)).toBe(200);
  expect(starts.failed(200, 300)).toBe(500);
});
