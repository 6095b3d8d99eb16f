import { expect, test } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { CountedSide } from "./counted-side.ts";
import type { AdmittedCall, SideReply } from "./side-runner.ts";

const limits = { deadlineMs: 5_000, cpuMs: 5_000, memoryMb: 64, operations: LIMITS.operations.default, concurrency: 1 };
const khop: FunctionDescription = { name: "khop", version: "1", side: null, limits, input: null, output: null };
const admitted = (overflows: boolean): AdmittedCall => ({
  id: "a",
  call: { function: "khop", version: null, keys: [], argsJson: "null", side: null, deadlineMs: null, logs: false },
  description: khop,
  deadlineMs: 5_000,
  backCpuUs: 0,
  overflows,
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
