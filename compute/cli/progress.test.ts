import { describe, expect, it } from "vitest";

import { Progress } from "./progress.ts";

const setUp = (isTTY: boolean, canRewrite = true) => {
  const clock = { nowMs: 0 };
  const written: string[] = [];
  const progress = new Progress({ isTTY, write: (text) => written.push(text) }, () => clock.nowMs, canRewrite);
  const stepAt = (nowMs: number): void => {
    clock.nowMs = nowMs;
    progress.step(() => `at ${nowMs}`);
  };
  return { written, progress, stepAt };
};

describe("Progress", () => {
  it("says nothing of what takes less than two seconds", () => {
    const { written, progress, stepAt } = setUp(true);
    stepAt(0);
    stepAt(1_999);
    progress.end();
    expect(written).toEqual([]);
  });

  it("rewrites one line on a terminal, and takes it away at the end", () => {
    const { written, progress, stepAt } = setUp(true);
    [2_000, 2_100, 2_200].forEach(stepAt);
    progress.end();
    expect(written).toEqual(["\rat 2000\u001b[K", "\rat 2200\u001b[K", "\r\u001b[K"]);
  });

  it.each([
    ["elsewhere", false, true],
    ["on a terminal that cannot rewrite one", true, false],
  ])("writes a line now and then %s", (_where, isTTY, canRewrite) => {
    const { written, progress, stepAt } = setUp(isTTY, canRewrite);
    [2_000, 5_000, 12_000, 13_000].forEach(stepAt);
    progress.end();
    expect(written).toEqual(["at 2000\n", "at 12000\n"]);
  });
});
