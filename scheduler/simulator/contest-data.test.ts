// Golden scores of an independent replay, where the contest's data sets are at hand (`LOCUS_DATA`: the folder that holds them).

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

import { fixedKeepAlive, REFERENCE } from "../policy/fixed.ts";
import { fixedSeconds } from "../policy/policies.ts";
import { readTrace } from "./read-trace.ts";
import { replay } from "./replay.ts";
import { score2023 } from "./score-2023.ts";
import { withDurations } from "./trace.ts";

// oxlint-disable-next-line node/no-process-env -- data that only some machines have
const DATA = process.env["LOCUS_DATA"] ?? "";

for (const [name, factor, reference, seconds, best] of [
  ["dataSet_1_prefix", 1, 49.4, Infinity, 50],
  ["dataSet_1_prefix", 50, 53.9, 0, 92.1],
  ["function_smoke_test", 1, 6, 0.2, 6.9],
  ["function_smoke_test", 50, 44.4, 0, 73.5],
] as const) {
  test.skipIf(!existsSync(join(DATA, name)))(`${name} × ${factor} has the scores of an independent replay`, () => {
    const trace = withDurations(readTrace(join(DATA, name)), factor);
    const scoreOf = (policy: Parameters<typeof replay>[1]): number => score2023(replay(trace, policy)).score;
    expect(Math.abs(scoreOf(fixedKeepAlive("reference", REFERENCE)) - reference)).toBeLessThan(0.1);
    expect(Math.abs(scoreOf(fixedSeconds(seconds)) - best)).toBeLessThan(0.1);
  });
}
