import { describe, expect, test } from "vitest";

import { functionConfig } from "../function-config.ts";
import { LearnedNeed } from "./learned-need.ts";

const CONFIGURED_MB = 512;
const config = functionConfig({ key: "f", memoryMb: CONFIGURED_MB });
/** What ten executions of 40 MiB come to: a quarter more, and one. */
const LEARNED_MB = 51;

const learned = (): LearnedNeed => {
  const need = new LearnedNeed(config);
  for (let execution = 0; execution < 10; execution++) need.executed(40, undefined);
  return need;
};

/** Executions until what was seen is believed again. */
const distrusted = (need: LearnedNeed): number => {
  let executions = 0;
  for (; need.memoryMb === CONFIGURED_MB; executions++) need.executed(40, undefined);
  return executions;
};

describe("the memory that a function needs", () => {
  test("is what is configured until ten executions were seen, and then the most of these with a margin", () => {
    const need = new LearnedNeed(config);
    for (let execution = 0; execution < 9; execution++) need.executed(30, undefined);
    expect(need.memoryMb).toBe(CONFIGURED_MB);
    need.executed(40, undefined);
    expect(need.memoryMb).toBe(LEARNED_MB);
    need.executed(2, undefined);
    expect(need.memoryMb).toBe(LEARNED_MB);
  });

  test("is raised by what is seen while an execution goes on, which counts as none", () => {
    const need = new LearnedNeed(config);
    for (let look = 0; look < 100; look++) need.seen(5, 0.01);
    expect(need.memoryMb).toBe(CONFIGURED_MB);
    const known = learned();
    known.seen(60, undefined);
    expect(known.memoryMb).toBe(76);
    known.provedTooSmall();
    for (let look = 0; look < 100; look++) known.seen(40, undefined);
    expect(distrusted(known)).toBe(1_000);
  });

  test("is never more than is configured, nor less than a process takes", () => {
    const [large, small] = [new LearnedNeed(config), new LearnedNeed(config)];
    for (let execution = 0; execution < 10; execution++) {
      large.executed(500, undefined);
      small.executed(1, undefined);
    }
    expect([large.memoryMb, small.memoryMb]).toEqual([CONFIGURED_MB, 16]);
  });

  test("is no longer that of one large call after two thousand others, and still after a thousand", () => {
    for (const before of [0, 5, 990]) {
      const need = learned();
      for (let execution = 0; execution < before; execution++) need.executed(40, undefined);
      need.executed(400, undefined);
      let executions = 0;
      for (; need.memoryMb > LEARNED_MB && executions < 5_000; executions++) need.executed(40, undefined);
      expect(executions).toBeGreaterThanOrEqual(1_000);
      expect(executions).toBeLessThanOrEqual(2_000);
    }
  });

  test("is known after a restart for as long as before it, and of what was saved without that for a window", () => {
    const need = learned();
    need.executed(400, undefined);
    for (let execution = 0; execution < 1_500; execution++) need.executed(40, undefined);
    const left = (saved: readonly number[]): number => {
      const again = new LearnedNeed(config);
      again.restore(JSON.parse(JSON.stringify(saved)) as readonly number[]);
      let executions = 0;
      for (; again.memoryMb > LEARNED_MB && executions < 5_000; executions++) again.executed(40, undefined);
      return executions;
    };
    const saved = need.save();
    expect(left(saved)).toBe(2_001 - 11 - 1_500);
    expect(left([2_000, 400, ...saved.slice(2, 6)])).toBe(2_001);
  });

  test("is what was seen while it was doubted, however long that was, for as long as any other", () => {
    const need = learned();
    for (let times = 0; times < 4; times++) {
      need.provedTooSmall();
      distrusted(need);
    }
    need.provedTooSmall();
    need.executed(200, undefined);
    for (let execution = 0; execution < 15_999; execution++) need.executed(40, undefined);
    for (let execution = 0; execution < 900; execution++) need.executed(40, undefined);
    expect(need.memoryMb).toBe(251);
  });

  test("is what is configured for a thousand executions after it proved too small, and twice as many each time, up to a bound", () => {
    const need = learned();
    const executions = Array.from({ length: 14 }, () => {
      need.provedTooSmall();
      return distrusted(need);
    });
    expect(executions.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect(executions.slice(10)).toEqual([1_024_000, 1_024_000, 1_024_000, 1_024_000]);
    expect(need.memoryMb).toBe(LEARNED_MB);
  });

  test("counts executions anew, and not twice as many, where it proves too small again while it is not believed", () => {
    const need = learned();
    for (let times = 0; times < 5; times++) {
      need.provedTooSmall();
      for (let execution = 0; execution < 500; execution++) need.executed(40, undefined);
    }
    expect(distrusted(need)).toBe(500);
    need.provedTooSmall();
    expect(distrusted(need)).toBe(2_000);
  });

  test("goes by what was seen while it was not believed", () => {
    const need = learned();
    need.provedTooSmall();
    need.executed(200, undefined);
    expect(distrusted(need)).toBe(999);
    expect(need.memoryMb).toBe(251);
  });

  test("is doubted after a restart as before it", () => {
    const need = learned();
    need.provedTooSmall();
    distrusted(need);
    need.provedTooSmall();
    for (let execution = 0; execution < 500; execution++) need.executed(40, undefined);
    const again = new LearnedNeed(config);
    again.restore(JSON.parse(JSON.stringify(need.save())) as readonly number[]);
    expect(again.memoryMb).toBe(CONFIGURED_MB);
    expect(distrusted(again)).toBe(1_500);
    again.provedTooSmall();
    expect(distrusted(again)).toBe(4_000);
  });

  test("is not doubted the longer for what came before anything was learned", () => {
    const need = new LearnedNeed(config);
    need.provedTooSmall();
    expect(distrusted(need)).toBe(1_000);
    need.provedTooSmall();
    expect(distrusted(need)).toBe(1_000);
    need.provedTooSmall();
    expect(distrusted(need)).toBe(2_000);
  });
});

test("a function is heavy on the CPU that uses more than half of what it may, and for hundreds of executions after it has become lighter", () => {
  const need = new LearnedNeed(functionConfig({ key: "f", memoryMb: 1_536 }));
  const may = need.cpus;
  for (let execution = 0; execution < 9; execution++) need.executed(undefined, may);
  expect(need.isCpuHeavy).toBe(false);
  need.executed(undefined, may);
  expect([need.isCpuHeavy, need.cpus]).toEqual([true, may]);
  let executions = 0;
  for (; need.isCpuHeavy; executions++) need.executed(undefined, 0);
  expect(executions).toBeGreaterThan(200);
  expect(executions).toBeLessThan(1_000);
});
