import { describe, expect, it } from "vitest";
import {
  backOff,
  backOffLeftMs,
  BACK_OFF_MS_MAX,
  failuresOf,
  NO_MEMORY,
  recall,
  remember,
  shiftedMemory,
  type Memory,
} from "./memory.ts";

const WALK = { operations: 64, rounds: 64, bytes: 5_000, cpuUs: 100 };
const HASH = { operations: 0, rounds: 0, bytes: 100, cpuUs: 90_000 };

/** Called for so long, in steps of 100 ms. */
const called = (memory: Memory, ms: number, fromMs: number): Memory => {
  let now = memory;
  for (let at = 0; at <= ms; at += 100) now = remember(now, fromMs + at, fromMs + at, fromMs + at - 100);
  return now;
};

describe("a back-off", () => {
  it("doubles with each failure, up to its bound", () => {
    let memory = NO_MEMORY;
    const lengths: number[] = [];
    for (let at = 0; at < 10; at++) {
      memory = backOff(memory, "plan", 1_000);
      lengths.push(backOffLeftMs(memory, "plan"));
    }
    expect(lengths.slice(0, 3)).toEqual([1_000, 2_000, 4_000]);
    expect(lengths.at(-1)).toBe(BACK_OFF_MS_MAX);
    expect(failuresOf(memory, "plan")).toBe(10);
  });

  it("runs only while the function is called", () => {
    const failed = backOff(called(NO_MEMORY, 1_000, 0), "plan", 1_000);
    const paused = remember(remember(failed, 1_000, 60_000, 1_000), 60_000, 60_000, 59_900);
    expect(backOffLeftMs(paused, "plan")).toBe(1_000);
    expect(backOffLeftMs(called(paused, 1_000, 60_000), "plan")).toBe(0);
  });

  it("runs while the function is called, however far apart steps are", () => {
    let memory = backOff(remember(NO_MEMORY, 0, 0, -1_000), "plan", 4_000);
    for (let ms = 1_000; ms <= 4_000; ms += 1_000) memory = remember(memory, ms, ms, ms - 1_000);
    expect(backOffLeftMs(memory, "plan")).toBe(0);
    expect(memory.sinceMs).toBe(0);
  });

  it("holds for one thing and not for others", () => {
    const memory = backOff(NO_MEMORY, "storage", 1_000);
    expect(backOffLeftMs(memory, "compute")).toBe(0);
    expect(backOffLeftMs(memory, "storage with other")).toBe(0);
  });

  it("is forgotten after a while", () => {
    const failed = backOff(called(NO_MEMORY, 0, 0), "plan", 1_000);
    const later = called(failed, 2 * BACK_OFF_MS_MAX, 0);
    expect(backOffLeftMs(backOff(later, "plan", 1_000), "plan")).toBe(1_000);
    expect(backOff(later, "compute", 1_000).backOffs.has("plan")).toBe(false);
  });
});

describe("calls that have changed", () => {
  const known = called(NO_MEMORY, 1_000, 0);
  const walks = recall(known, WALK, 1_000).memory;

  it("end all back-offs", () => {
    const shifted = shiftedMemory(backOff(walks, "plan", 1_000), 1, 1_000);
    expect(backOffLeftMs(shifted, "plan")).toBe(0);
  });

  it("return to the share and the back-offs of an earlier kind that they are like", () => {
    const hashes = called(shiftedMemory(backOff(walks, "compute", 9_000), 1, 1_000), 1_000, 1_000);
    const other = recall(hashes, HASH, 2_000);
    expect(other.recalled).toBeNull();
    const back = recall(shiftedMemory(other.memory, 0, 3_000), { ...WALK, cpuUs: 120 }, 3_000);
    expect(back.recalled).toBe(1);
    expect(backOffLeftMs(back.memory, "compute")).toBeGreaterThan(0);
  });

  it("are of no earlier kind once they have lasted", () => {
    const shifted = called(shiftedMemory(walks, 1, 1_000), 1_000, 1_000);
    expect(recall(recall(shifted, HASH, 2_000).memory, WALK, 2_100).recalled).toBeNull();
  });
});
