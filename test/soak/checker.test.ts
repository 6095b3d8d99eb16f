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

/** All the calls' time long, on all that a call by node1 needs. */
const BROKEN = { faults: [fault("kill", "master", 0, 9_000), fault("kill-host", "node1", 0, 9_000)] };

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
        const history = { ...BROKEN, written: wrote(...values) };
        expect(broken([called([one])], history)).toEqual(["nothing is written twice"]);
      }
    },
  );

  it("keep their order, and leave none out", () => {
    for (const values of [
      ["2", "1"],
      ["1", "3"],
    ]) {
      const history = { ...BROKEN, written: wrote(...values) };
      expect(broken([called([error("DEADLINE_EXCEEDED")])], history)).toEqual(["nothing is written twice"]);
    }
  });

  it("are none where an error says so", () => {
    const says = "an error tells what was written";
    const died = "the sandbox host ended by signal 9 while it ran soak-write-several";
    const history = { ...BROKEN, written: wrote("1") };
    expect(broken([called([error("SANDBOX_DIED", died)])], history)).toEqual([says]);
    expect(broken([called([error("MEMORY_LIMIT", died)])], history)).toContain(says);
    expect(broken([called([error("OVERLOADED", "the queue is full")])], history)).toEqual([says]);
    expect(broken([called([error("SANDBOX_DIED", `${died}, which had sent writes`)])], history)).toEqual([]);
    const lost = "node 1 was lost while the call ran there, which may have written: Cancelled on client";
    expect(broken([called([error("SANDBOX_DIED", lost)])], history)).toEqual([]);
    expect(broken([called([error("SANDBOX_DIED", died)])], BROKEN)).toEqual([]);
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

describe("a promotion", () => {
  const failover = { faults: [fault("failover", "master", 900, 1_500)] };
  const promote = { faults: [fault("promote", "master", 900, 1_500)] };
  const gap = wrote("1", "3", "5");

  it("by FAILOVER loses nothing", () => {
    expect(broken([called([OK])], { ...failover, written: wrote(...ALL) })).toEqual([]);
    expect(broken([called([OK])], { ...failover, written: wrote("1", "2") })).toEqual([
      "acknowledged writes are there",
    ]);
    expect(broken([called([error("REDIS_UNAVAILABLE")])], { ...failover, written: gap })).toEqual([
      "nothing is written twice",
    ]);
  });

  it("after a kill loses what was acknowledged meanwhile, any of it, and makes nothing twice", () => {
    for (const written of [new Map(), wrote("1", "2"), gap, wrote(...ALL)]) {
      for (const one of [OK, error("REDIS_UNAVAILABLE")])
        expect(broken([called([one])], { ...promote, written })).toEqual([]);
    }
    for (const written of [wrote("1", "1"), wrote("2", "1"), wrote("6")]) {
      expect(broken([called([OK])], { ...promote, written })).toEqual(["nothing is written twice"]);
    }
  });

  it("after a kill loses nothing that was acknowledged before it began, or begun after", () => {
    for (const [fromMs, untilMs] of [
      [1_011, 1_500],
      [500, 999],
    ] as const) {
      const faults = [fault("promote", "master", fromMs, untilMs)];
      expect(broken([called([OK])], { faults, written: wrote("1") })).toEqual(["acknowledged writes are there"]);
    }
  });

  it("lets write who was a replica when it was asked", () => {
    const call = called([OK], { way: "call", target: "replica" });
    expect(broken([call], { ...failover, written: wrote(...ALL) })).toEqual([]);
    expect(broken([call], { written: wrote(...ALL) })).toEqual(["nothing is written twice"]);
  });

  it("lets go of clients, and explains what a replica refuses", () => {
    const readonly = error("FUNCTION_FAILED", "ReplyError: READONLY You can't write against a read only replica.");
    for (const history of [failover, promote]) {
      for (const target of ["master", "replica"] as const) {
        expect(broken([called([LOST], { way: "call", target })], history)).toEqual([]);
      }
      expect(broken([called([LOST])], history)).toEqual(["errors have a cause"]);
      expect(broken([called([readonly])], history)).toEqual([]);
    }
    expect(broken([called([readonly])])).toEqual(["errors have a cause"]);
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

  it.each(["DEADLINE_EXCEEDED", "OVERLOADED", "SANDBOX_DIED"] as const)(
    "are %s only while something is broken that the call needs",
    (code) => {
      const cause = "errors have a cause";
      const [there, way] = ["http compute", "http storage"] as const;
      const explained = (call: Partial<ScheduledCall>, ...faults: readonly FaultRecord[]): boolean =>
        broken([called([error(code, "it had sent writes")], call)], { faults }).length === 0;
      expect(broken([called([error(code)])])).toEqual([cause]);
      // A host matters to what runs in it alone; for two seconds after it, and not before.
      expect(explained({ way: there }, fault("kill-host", "node1", 1_005, 1_005))).toBe(true);
      expect(explained({ way: there }, fault("stop-host", "node1", -2_000, -1_000))).toBe(true);
      expect(explained({ way: there }, fault("stop-host", "node1", -2_000, -1_001))).toBe(false);
      expect(explained({ way: there }, fault("kill-host", "node1", 1_011, 1_011))).toBe(false);
      expect(explained({ way: there }, fault("kill-host", "master", 1_005, 1_005))).toBe(false);
      expect(explained({ way }, fault("kill-host", "master", 1_005, 1_005))).toBe(true);
      expect(explained({ way }, fault("kill-host", "node1", 1_005, 1_005))).toBe(false);
      // The way to the master ends no host.
      for (const one of [fault("stall", "link node1", 900, 1_100), fault("stop", "master", 900, 1_100)]) {
        expect(explained({ way: there }, one)).toBe(code !== "SANDBOX_DIED");
      }
      expect(explained({ way }, fault("stop", "master", 900, 1_100))).toBe(true);
      // Its instance may be on the other node; what is between that one and the master is nothing to it.
      expect(explained({ way: there }, fault("kill", "node2", 900, 1_100))).toBe(true);
      expect(explained({ way: there }, fault("cut", "link node2", 900, 1_100))).toBe(false);
      // One that came to Redis may have been handed to a node, which was lost to Redis with its link.
      const direct = { way: "call", target: "master" } as const;
      for (const one of [fault("kill-host", "node2", 1_005, 1_005), fault("cut", "link node2", 900, 1_100)]) {
        expect(explained(direct, one)).toBe(true);
        expect(explained({ way }, one)).toBe(false);
      }
      // One that asks for no side is where the plan has it.
      for (const member of ["node1", "node2", "master"] as const) {
        expect(explained({ way: "http" }, fault("kill-host", member, 1_005, 1_005))).toBe(true);
      }
      expect(explained({ way: "http" }, fault("kill-host", "replica", 1_005, 1_005))).toBe(false);
    },
  );

  it("blame a host's end on who may have taken it with it, in the same host alone", () => {
    const call = called([error("SANDBOX_DIED", "it had sent writes")], { way: "http storage" });
    const other = (rest: Partial<ScheduledCall>): CallRecord =>
      called([error("MEMORY_LIMIT")], { function: "soak-leak", args: { id: "b", ms: 0, first: 0 }, ...rest });
    expect(broken([call, other({ way: "call", target: "master" })])).toEqual([]);
    expect(broken([call, other({ way: "http storage", target: "node2" })])).toEqual([]);
    expect(broken([call, other({ way: "http compute" })])).toEqual(["errors have a cause"]);
    const atCompute = { ...call, call: { ...call.call, way: "http compute" } } as const;
    expect(broken([atCompute, other({ way: "http compute", target: "node2" })])).toEqual([]);
    const unavailable = called([error("REDIS_UNAVAILABLE")], { way: "http storage" });
    expect(broken([unavailable, other({ way: "call", target: "master" })])).toEqual(["errors have a cause"]);
  });

  it("are DEADLINE_EXCEEDED without a cause where the call takes as long by itself", () => {
    const call = (ms: number, deadlineMs: number | null): CallRecord =>
      called([error("DEADLINE_EXCEEDED")], {
        function: "soak-wait-then-write",
        args: { id: "a", ms, first: 0 },
        deadlineMs,
      });
    expect(broken([call(301, 800)])).toEqual([]);
    expect(broken([call(300, 800)])).toEqual(["errors have a cause"]);
    expect(broken([call(700, null)])).toEqual(["errors have a cause"]);
    expect(broken([call(5, 250)])).toEqual([]);
  });

  it("are well for most calls, however much is broken", () => {
    const calls = (good: number, bad: number): readonly CallRecord[] =>
      [...Array(good + bad).keys()].map((index) =>
        called([index < good ? OK : error("REDIS_UNAVAILABLE")], { function: "soak-compute", deadlineMs: null }),
      );
    expect(broken(calls(40, 60), BROKEN)).toEqual([]);
    expect(broken(calls(39, 61), BROKEN)).toEqual(["most calls end well"]);
    expect(broken(calls(0, 99), BROKEN)).toEqual([]);
    // Who left, or never ends well, does not count.
    const others = [
      ...Array(500).fill(called([], { leftMs: 1_005 })),
      ...Array(500).fill(called([error("DEADLINE_EXCEEDED")], { function: "soak-never" })),
    ];
    expect(broken([...calls(40, 60), ...others], BROKEN)).toEqual([]);
    // Nor does who asked a process that was away, or had no core or no disk.
    const away = { faults: [...BROKEN.faults, fault("kill", "node1", 0, 9_000)] };
    expect(broken(calls(0, 200), away)).toEqual([]);
    const wait = { fromMs: 900, untilMs: 1_500, waitedMs: 300 };
    expect(broken(calls(0, 200), { ...BROKEN, waits: { ...NOTHING_HAPPENED.waits, node2: [wait] } })).toEqual([]);
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
    expect(broken([call], { faults: [fault("cut", "link node1", -1_010, -1_000)] })).toEqual([]);
    expect(broken([call], { faults: [fault("cut", "link node1", -1_010, -1_001)] })).toEqual([cause]);
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
  const late = (afterMs: number): CallRecord =>
    called([error("DEADLINE_EXCEEDED")], { afterMs, function: "soak-never" });
  const rule = "deadlines hold";

  it("hold to a second", () => {
    expect(broken([late(1_500)])).toEqual([]);
    expect(broken([late(1_501)])).toEqual([rule]);
    expect(broken([called([OK], { afterMs: 1_600 })], { written: wrote(...ALL) })).toEqual([rule]);
  });

  it("are the function's where the call has none, or a later one", () => {
    const { deadlineMs: own = 0 } = WORKLOAD["soak-never"]?.limits ?? {};
    for (const deadlineMs of [null, 60_000]) {
      const call = (afterMs: number): CallRecord =>
        called([error("DEADLINE_EXCEEDED")], { afterMs, deadlineMs, function: "soak-never" });
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

  it("allow for what who answers waited, and nobody else's waits", () => {
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
    fromMs: 1_000,
    untilMs: 1_010,
  });
  const unavailable = { code: "REDIS_UNAVAILABLE", message: "" } as const;
  const DOWN = fault("kill", "node1", 900, 1_500);
  const rulesWith = (
    faults: readonly FaultRecord[],
    stored: string | null,
    ...records: readonly DeploymentRecord[]
  ): readonly string[] =>
    checkDeployments(records, new Map(stored === null ? [] : [["f", stored]]), faults).map(({ rule }) => rule);
  const rules = rulesWith.bind(null, [DOWN]);
  const lost = ["acknowledged writes are there"];

  it("that were acknowledged last are there", () => {
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

  it("that a master acknowledged while it was killed and replaced may be gone, but not those before", () => {
    const before = { ...deployed("1", "ok"), fromMs: 500, untilMs: 510 };
    for (const [kind, untilMs, expected] of [
      ["promote", 1_500, []],
      ["promote", 999, lost],
      ["failover", 1_500, lost],
    ] as const) {
      const faults = [fault(kind, "master", 900, untilMs)];
      expect(rulesWith(faults, "1", before, deployed("2", "ok"))).toEqual(expected);
      expect(rulesWith(faults, null, before)).toEqual(lost);
    }
  });

  it("end with a typed error that something broken explains", () => {
    for (const code of ["FUNCTION_INVALID", "INTERNAL", "no code"] as const) {
      expect(rules("1", deployed("1", "ok"), deployed("2", { code, message: "" }))).toEqual(["errors are typed"]);
    }
    for (const answer of ["lost", unavailable] as const) {
      expect(rulesWith([], "1", deployed("1", "ok"), deployed("2", answer))).toEqual(["errors have a cause"]);
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
