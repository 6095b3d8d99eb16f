// The judge itself: histories that break each promise, and such as look as if they did.

import { describe, expect, it } from "vitest";
import type { ScheduledCall } from "./call-schedule.ts";
import { check, type Episode, NOTHING_HAPPENED } from "./checker.ts";
import { checkDeployments, type DeploymentRecord } from "./deployments.ts";
import type { Fault } from "./fault-schedule.ts";
import { type WorkloadFunctions, WORKLOAD } from "./functions.ts";
import type { Answer, CallRecord, FaultRecord } from "./ledger.ts";

const OK: Answer = { kind: "ok", result: "a" };
const error = (code: (Answer & { kind: "error" })["code"], message = ""): Answer => ({ kind: "error", code, message });
const LOST: Answer = { kind: "lost", reason: "ECONNRESET" };

/** A call of `soak-write-several` with the id "a", sent at 1,000 ms and answered at 1,010 ms, unless told otherwise. */
function called(
  answers: readonly Answer[],
  { afterMs = 10, leftMs = null, ...call }: Partial<ScheduledCall> & { afterMs?: number; leftMs?: number | null } = {},
): CallRecord {
  return {
    call: {
      function: "soak-write-several",
      args: { id: "a", ms: 0, first: 0 },
      way: "http compute",
      target: "node1",
      atMs: 0,
      deadlineMs: 500,
      leavesAfterMs: null,
      ...call,
    },
    sentMs: 1_000,
    answers: answers.map((answer) => ({ answer, atMs: 1_000 + afterMs })),
    leftMs,
  };
}

const fault = (kind: Fault["kind"], subject: Fault["subject"], fromMs: number, untilMs: number): FaultRecord => ({
  fault: { kind, subject, atMs: fromMs, lastsMs: untilMs - fromMs, pick: 0 },
  victim: "",
  fromMs,
  untilMs,
});

const wrote = (...values: readonly string[]): Episode["written"] => new Map([["a", values]]);
const ALL = ["1", "2", "3", "4", "5"];

/** The rules that the history breaks. */
const broken = (
  calls: readonly CallRecord[],
  history: Partial<Episode> = {},
  functions: WorkloadFunctions = WORKLOAD,
): readonly string[] => check({ ...NOTHING_HAPPENED, calls, ...history }, functions).map(({ rule }) => rule);

describe("writes", () => {
  it("of a call that was answered well are all there", () => {
    expect(broken([called([OK])], { written: wrote(...ALL) })).toEqual([]);
    expect(broken([called([OK])])).toEqual(["acknowledged writes are there"]);
    expect(broken([called([OK])], { written: wrote("1", "2", "3", "4") })).toEqual(["acknowledged writes are there"]);
  });

  it("of a call that failed, was lost or left may be there as far as they came", () => {
    const down = { faults: [fault("kill", "node1", 900, 1_500)] };
    for (const call of [called([error("DEADLINE_EXCEEDED")]), called([LOST]), called([], { leftMs: 1_005 })]) {
      for (const written of [new Map(), wrote("1", "2"), wrote(...ALL)]) {
        expect(broken([call], { ...down, written })).toEqual([]);
      }
    }
  });

  it.each([[["1", "1"]], [["1", "2", "3", "4", "5", "5"]], [[...ALL, ...ALL]], [["1", "2", "1", "2"]]])(
    "are not made twice, as in %j, whatever the call's answer was",
    (values) => {
      for (const one of [OK, error("SANDBOX_DIED", "it had sent writes"), error("DEADLINE_EXCEEDED")]) {
        expect(broken([called([one])], { written: wrote(...values) })).toEqual(["nothing is written twice"]);
      }
    },
  );

  it("keep their order, and leave none out", () => {
    expect(broken([called([error("DEADLINE_EXCEEDED")])], { written: wrote("2", "1") })).toEqual([
      "nothing is written twice",
    ]);
    expect(broken([called([error("DEADLINE_EXCEEDED")])], { written: wrote("1", "3") })).toEqual([
      "nothing is written twice",
    ]);
  });

  it("are none where an error says so", () => {
    const says = "an error tells what was written";
    const died = "the sandbox host ended by signal 9 while it ran soak-write-several";
    const written = wrote("1");
    expect(broken([called([error("SANDBOX_DIED", died)])], { written })).toEqual([says]);
    expect(broken([called([error("MEMORY_LIMIT", died)])], { written })).toContain(says);
    expect(broken([called([error("OVERLOADED", "the queue is full")])], { written })).toEqual([says]);
    expect(broken([called([error("SANDBOX_DIED", `${died}, which had sent writes`)])], { written })).toEqual([]);
    expect(broken([called([error("SANDBOX_DIED", died)])])).toEqual([]);
  });

  it("of a call of an earlier episode do not come any more", () => {
    expect(broken([called([OK])], { written: new Map([...wrote(...ALL), ["b", ["1"]]]) })).toEqual(["nothing runs on"]);
  });

  it("are refused by a replica", () => {
    const refused = error("FUNCTION_FAILED", "ReplyError: READONLY You can't write against a read only replica.");
    const call = called([refused], { way: "call", target: "replica" });
    expect(broken([call])).toEqual([]);
    expect(broken([call], { written: wrote("1") })).toEqual(["nothing is written twice"]);
  });
});

describe("answers", () => {
  const written = wrote(...ALL);

  it("come once for each call that was waited for", () => {
    expect(broken([called([])])).toEqual(["one answer each"]);
    expect(broken([called([OK, OK])], { written })).toEqual(["one answer each"]);
    expect(broken([called([], { leftMs: 1_005 })])).toEqual([]);
    expect(broken([called([{ kind: "garbled", text: "<html>" }])])).toEqual(["one answer each"]);
  });

  it("are this call's own", () => {
    expect(broken([called([{ kind: "ok", result: "b" }])], { written })).toEqual(["the right answer"]);
    expect(broken([called([OK], { function: "soak-never" })], { written: wrote("1") })).toEqual(["the right answer"]);
    expect(broken([called([error("DEADLINE_EXCEEDED")], { function: "soak-never" })])).toEqual([]);
  });

  it.each(["INTERNAL", "FUNCTION_INVALID", "FUNCTION_NOT_FOUND", "MEMORY_LIMIT", "CANCELLED"] as const)(
    "are never %s for a call that gave no reason for it",
    (code) => {
      const faults = [fault("kill", "master", 900, 1_100)];
      expect(broken([called([error(code)])], { faults })).toEqual(["errors are typed"]);
    },
  );

  it("may be FUNCTION_FAILED with what Redis said, and with nothing else", () => {
    const loading = error("FUNCTION_FAILED", "ReplyError: LOADING Redis is loading the dataset in memory");
    expect(broken([called([loading])], { faults: [fault("kill", "master", 500, 1_000)] })).toEqual([]);
    expect(broken([called([loading])])).toEqual(["errors have a cause"]);
    expect(broken([called([error("FUNCTION_FAILED", "TypeError: x is not a function")])])).toEqual([
      "errors are typed",
    ]);
  });

  it("are lost only when who answers was ended meanwhile", () => {
    const cause = "errors have a cause";
    expect(broken([called([LOST])])).toEqual([cause]);
    expect(broken([called([LOST])], { faults: [fault("kill", "node2", 900, 1_500)] })).toEqual([cause]);
    expect(broken([called([LOST])], { faults: [fault("stop", "node1", 900, 1_500)] })).toEqual([cause]);
    expect(broken([called([LOST])], { faults: [fault("kill", "node1", 3_000, 3_500)] })).toEqual([cause]);
    expect(broken([called([LOST])], { faults: [fault("end", "node1", 1_005, 1_500)] })).toEqual([]);
  });

  it("blame Redis only while something between the call and Redis is broken, or coming back, or the machine is busy", () => {
    const cause = "errors have a cause";
    const call = called([error("REDIS_UNAVAILABLE")]);
    expect(broken([call])).toEqual([cause]);
    expect(broken([call], { faults: [fault("cut", "link node2", 900, 1_500)] })).toEqual([cause]);
    expect(broken([call], { faults: [fault("cut", "link node1", 5, 10)] })).toEqual([]);
    expect(broken([call], { faults: [fault("stop", "master", 900, 1_500)] })).toEqual([]);
    const wait = { fromMs: 900, untilMs: 1_500, waitedMs: 300 };
    expect(broken([call], { waits: { ...NOTHING_HAPPENED.waits, master: [wait] } })).toEqual([]);
    expect(broken([call], { waits: { ...NOTHING_HAPPENED.waits, master: [{ ...wait, waitedMs: 100 }] } })).toEqual([
      cause,
    ]);
    const late = { ...call, sentMs: 20_000, answers: [{ answer: error("REDIS_UNAVAILABLE"), atMs: 20_010 }] };
    expect(broken([late], { faults: [fault("kill", "master", 900, 1_500)] })).toEqual([cause]);
  });
});

describe("deadlines", () => {
  const late = (afterMs: number): CallRecord => called([error("DEADLINE_EXCEEDED")], { afterMs });
  const rule = "deadlines hold";

  it("hold to a second", () => {
    expect(broken([late(1_500)])).toEqual([]);
    expect(broken([late(1_501)])).toEqual([rule]);
    expect(broken([called([OK], { afterMs: 1_600 })], { written: wrote(...ALL) })).toEqual([rule]);
  });

  it("are the function's where the call has none, or a later one", () => {
    const { deadlineMs: own = 0 } = WORKLOAD["soak-write-several"]?.limits ?? {};
    for (const deadlineMs of [null, 60_000]) {
      const call = (afterMs: number): CallRecord => called([error("DEADLINE_EXCEEDED")], { afterMs, deadlineMs });
      expect(broken([call(own + 1_000)])).toEqual([]);
      expect(broken([call(own + 1_001)])).toEqual([rule]);
    }
  });

  it("allow for the time in which who answers was stopped, as much as falls into the call", () => {
    expect(broken([late(3_500)], { faults: [fault("stop", "node1", 1_200, 3_200)] })).toEqual([]);
    expect(broken([late(3_501)], { faults: [fault("stop", "node1", 1_200, 3_200)] })).toEqual([rule]);
    expect(broken([late(3_500)], { faults: [fault("stop", "node1", 0, 1_500)] })).toEqual([rule]);
    for (const other of [fault("stop", "master", 1_200, 3_200), fault("stop-host", "node1", 1_200, 3_200)]) {
      expect(broken([late(3_500)], { faults: [other] })).toEqual([rule]);
    }
  });

  it("allow for stalls of the caller itself, but count no moment twice", () => {
    const stall = { fromMs: 1_200, untilMs: 2_200 };
    expect(broken([late(2_500)], { ownStalls: [stall] })).toEqual([]);
    expect(broken([late(2_501)], { ownStalls: [stall] })).toEqual([rule]);
    expect(broken([late(3_000)], { ownStalls: [stall], faults: [fault("stop", "node1", 1_200, 2_200)] })).toEqual([
      rule,
    ]);
  });

  it("allow for what who answers waited for a core, and nobody else's waits", () => {
    const wait = { fromMs: 1_100, untilMs: 1_900, waitedMs: 600 };
    const none = NOTHING_HAPPENED.waits;
    expect(broken([late(2_100)], { waits: { ...none, node1: [wait] } })).toEqual([]);
    expect(broken([late(2_101)], { waits: { ...none, node1: [wait] } })).toEqual([rule]);
    expect(broken([late(2_100)], { waits: { ...none, node2: [wait] } })).toEqual([rule]);
  });
});

describe("deployments", () => {
  const deployed = (version: string, answer: DeploymentRecord["answer"]): DeploymentRecord => ({
    function: "f",
    version,
    answer,
  });
  const unavailable = { code: "REDIS_UNAVAILABLE", message: "" } as const;
  const rules = (stored: string | null, ...records: readonly DeploymentRecord[]): readonly string[] =>
    checkDeployments(records, new Map(stored === null ? [] : [["f", stored]])).map(({ rule }) => rule);

  it("that were acknowledged last are there", () => {
    const lost = ["acknowledged writes are there"];
    expect(rules("2", deployed("1", "ok"), deployed("2", "ok"))).toEqual([]);
    expect(rules("1", deployed("1", "ok"), deployed("2", "ok"))).toEqual(lost);
    expect(rules("3", deployed("1", "ok"), deployed("2", "ok"))).toEqual(lost);
    expect(rules(null, deployed("1", "ok"))).toEqual(lost);
  });

  it("that were not acknowledged may be there, before or after one that was", () => {
    for (const answer of ["lost", unavailable] as const) {
      for (const stored of ["1", "2"]) {
        expect(rules(stored, deployed("1", "ok"), deployed("2", answer))).toEqual([]);
        expect(rules(stored, deployed("1", answer), deployed("2", "ok"))).toEqual([]);
      }
      expect(rules(null, deployed("1", answer))).toEqual([]);
    }
  });

  it("end with a typed error that something broken explains", () => {
    for (const code of ["FUNCTION_INVALID", "INTERNAL", "no code"] as const) {
      expect(rules("1", deployed("1", "ok"), deployed("2", { code, message: "" }))).toEqual(["errors are typed"]);
    }
  });
});

it("says of a broken promise which call it was, how it was answered, and what happened around it", () => {
  const calls = [called([OK])];
  const faults = [fault("kill-host", "node1", 1_002, 1_002), fault("cut", "link node2", 9_000, 9_100)];
  const [violation] = check({ ...NOTHING_HAPPENED, calls, faults, written: wrote("1") }, WORKLOAD);
  expect(violation?.text).toContain("soak-write-several a by http compute to node1");
  expect(violation?.text).toContain("answers: ok after 10 ms");
  expect(violation?.text).toContain("kill-host node1");
  expect(violation?.text).not.toContain("link node2");
});
