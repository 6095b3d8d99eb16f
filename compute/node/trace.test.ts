import { expect, it } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { Reply } from "./invoker.ts";
import { traceOf } from "./trace.ts";

const USAGE = { ...NO_USAGE, wallUs: 100, queueUs: 30.4, startUs: 20, cpuUs: 15, waitUs: 50 };
const DONE: Reply = {
  ok: true,
  id: "1",
  side: "compute",
  reason: "asked",
  version: "v",
  usage: USAGE,
  elapsedUs: 140,
  sentUs: 10,
  pushedBack: null,
  logs: [],
  resultJson: "1",
};

it("tells what a call was at, when it first came to it and for how long", () => {
  expect(traceOf(DONE)).toEqual([
    { state: "queued", side: "compute", atUs: 10, forUs: 10 },
    { state: "starting", side: "compute", atUs: 20, forUs: 20 },
    { state: "running", side: "compute", atUs: 40, forUs: 15 },
    { state: "waiting", side: "compute", forUs: 50 },
    { state: "done", side: "compute", atUs: 140 },
  ]);
});

it("leaves out what took no time, and all of a sandbox where none had the call", () => {
  expect(traceOf({ ...DONE, usage: { ...NO_USAGE, cpuUs: 5 } }).map(({ state }) => state)).toEqual(["running", "done"]);
  const refused = {
    ...DONE,
    ok: false,
    side: null,
    usage: null,
    error: { code: "OVERLOADED", message: "", stack: "" },
  } as const;
  expect(traceOf(refused)).toEqual([{ state: "failed", side: null, atUs: 140 }]);
});

it("begins with the run that was pushed back", () => {
  const pushedBack = { sentUs: 1, endedUs: 9, usage: { ...NO_USAGE, cpuUs: 8 } };
  const error = { code: "FUNCTION_FAILED", message: "", stack: "" } as const;
  expect(traceOf({ ...DONE, ok: false, error, usage: { ...NO_USAGE, cpuUs: 7 }, pushedBack })).toEqual([
    { state: "running", side: "storage", atUs: 1, forUs: 8 },
    { state: "pushed-back", side: "storage", atUs: 9 },
    { state: "running", side: "compute", atUs: 10, forUs: 7 },
    { state: "failed", side: "compute", atUs: 140 },
  ]);
});
