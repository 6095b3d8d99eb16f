// How quick a core is beside what it usually is: core_pace.cc.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileTested, hasCompiler } from "./tested-program.ts";

describe.skipIf(!hasCompiler)("core_pace.cc (skipped where there is no g++)", () => {
  const folder = mkdtempSync(join(tmpdir(), "locus-pace-"));
  let program = "";
  beforeAll(() => {
    program = compileTested("core_pace", folder);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (args: readonly number[]): readonly number[] =>
    execFileSync(program, args.map(String), { encoding: "utf8" }).trim().split("\n").map(Number);
  /** At so many seconds the piece of work took so long, ns. */
  const timesOf = (...looks: readonly (readonly [tookNs: number, atS: number])[]): readonly number[] =>
    run(looks.flat());

  /** Where the piece of work takes so many times the least, which is so old: what is usual grows by e in two minutes. */
  const times = (most: number, agoS: number): unknown =>
    expect.closeTo(Math.max(1, (most / Math.exp(agoS / 120)) ** 0.75), 2);

  test("calls take longer by three quarters of what the piece of work does, by logarithms", () => {
    expect(timesOf([1_000, 1], [1_000, 2], [2_000, 3], [10_000, 4], [1_100, 5])).toEqual([
      1,
      1,
      times(2, 1),
      times(10, 2),
      times(1.1, 3),
    ]);
  });

  test("a core that is quicker than it ever was is at its usual pace, and others are held against it from then on", () => {
    expect(timesOf([2_000, 1], [1_000, 2], [2_000, 3])).toEqual([1, 1, times(2, 1)]);
  });

  test("is taken for sixteen times as slow at most", () => {
    expect(timesOf([1_000, 1], [1_000_000, 2], [1_000_000_000_000, 3]).slice(1)).toEqual([8, 8]);
    expect(timesOf([0, 1], [0, 2])).toEqual([1, 1]);
  });

  test("a machine that stays slow is so usually after a minute or two, by and by", () => {
    const looks = Array.from({ length: 15 }, (_, at) => [at === 0 ? 1_000 : 2_000, 10 + 10 * at] as const);
    const told = timesOf(...looks);
    expect(told).toEqual(looks.map((_, at) => (at === 0 ? 1 : times(2, 10 * at))));
    expect(told.slice(-6)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test("of a turn it is told by the last look, if that is not old, and by one right after it if it is, or if the turn was long: by that alone, or by both", () => {
    expect(run([])).toEqual([875_000, 875_000, 0, 875_000, 437_500_000, 875_000]);
  });
});
