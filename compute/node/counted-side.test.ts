import { expect, test } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";
import { CallsByFunction, CountedSide } from "./counted-side.ts";
import type { AdmittedCall, SideReply } from "./side-runner.ts";

const limits = { deadlineMs: 5_000, cpuMs: 5_000, memoryMb: 64, operations: LIMITS.operations.default, concurrency: 1 };
const khop: FunctionDescription = { name: "khop", version: "1", side: null, limits, input: null, output: null };
const admitted = (overflows: boolean, isChosen = true): AdmittedCall => ({
  id: "a",
  call: { function: "khop", version: null, keys: [], argsJson: "null", side: null, deadlineMs: null, logs: false },
  description: khop,
  deadlineMs: 5_000,
  backCpuUs: 0,
  overflows,
  isChosen,
  known: null,
});
const ended: SideReply = { version: "1", outcome: { ok: true, resultJson: "1", usage: NO_USAGE, logs: [] } };

/** Each call of it is open until somebody ends it. */
function held() {
  const open: PromiseWithResolvers<SideReply>[] = [];
  const side = new CountedSide({
    run: () => {
      const call = Promise.withResolvers<SideReply>();
      open.push(call);
      return call.promise;
    },
  });
  return { side, open };
}

test("a side counts the calls that it has, and those of functions that overflow, until they have ended or failed", async () => {
  const { side, open } = held();
  const counts = () => [side.inFlight, side.overflowing];
  const calls = [true, false, true].map((overflows) => side.run(admitted(overflows)));
  expect(counts()).toEqual([3, 2]);
  open[0]!.resolve(ended);
  expect(await calls[0]).toBe(ended);
  expect(counts()).toEqual([2, 1]);
  open[2]!.reject(new LocusError("SANDBOX_DIED", "gone"));
  await expect(calls[2]).rejects.toThrow("gone");
  expect(counts()).toEqual([1, 0]);
  open[1]!.resolve(ended);
  await calls[1];
  expect(counts()).toEqual([0, 0]);
});

test("of functions that have no calls so many counts are kept as functions are tallied, and no more", () => {
  const calls = new CallsByFunction();
  for (let index = 0; index < TALLIED_FUNCTIONS_MAX + 50; index++) {
    calls.count(`f${index}`, 1);
    calls.count(`f${index}`, -1);
  }
  expect(calls.size).toBe(TALLIED_FUNCTIONS_MAX);
  calls.count("f0", 1);
  calls.count("other", 1);
  expect([calls.of("f0"), calls.of("other"), calls.of("f1"), calls.size]).toEqual([1, 1, 0, TALLIED_FUNCTIONS_MAX + 1]);
});

test("of each function a side counts the calls that it has, of those that nobody asked to run there", async () => {
  const { side, open } = held();
  const calls = [true, false, true].map((isChosen) => side.run(admitted(false, isChosen)));
  expect([side.inFlight, side.inFlightOf("khop"), side.inFlightOf("other")]).toEqual([3, 2, 0]);
  open[0]!.reject(new LocusError("SANDBOX_DIED", "gone"));
  await expect(calls[0]).rejects.toThrow("gone");
  expect(side.inFlightOf("khop")).toBe(1);
  open[1]!.resolve(ended);
  await calls[1];
  expect(side.inFlightOf("khop")).toBe(1);
  open[2]!.resolve(ended);
  await calls[2];
  expect(side.inFlightOf("khop")).toBe(0);
});
