// The way of a call through a node: its time, and what becomes of it where a side is out of reach. The gateway's tests go the rest of it.

import { afterEach, describe, expect, it, vi } from "vitest";
import { LocusError } from "#runtime/errors.ts";
import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import type { PlannedSide } from "#runtime/placement/choose-side.ts";
import { PushBackBudget } from "#runtime/placement/push-back.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { FunctionCache } from "./function-cache.ts";
import { NodeInvoker } from "./invoke.ts";
import type { Call, Reply } from "./invoker.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import type { RegistryChanges } from "./registry.ts";
import { SideNotReached, type AdmittedCall, type SideRunner } from "./side-runner.ts";

const LOOK_UP_MS = 60;

/** Each look-up takes its time, on a clock of its own. */
class SlowRegistry extends MemoryRegistry {
  elapsedMs = 0;

  override async changes(cursor: string): Promise<RegistryChanges> {
    this.elapsedMs += LOOK_UP_MS;
    return super.changes(cursor);
  }
}

const described = (deadlineMs: number): FunctionDescription => ({
  name: "f",
  version: "1",
  side: null,
  limits: { deadlineMs, cpuMs: 1, memoryMb: 1, operations: 1, concurrency: 1 },
  input: null,
  output: null,
});

const answering = (given: (deadlineMs: number) => void): SideRunner => ({
  run: async ({ deadlineMs }) => {
    given(deadlineMs);
    return { version: "1", outcome: { ok: true, resultJson: "1", usage: NO_USAGE, logs: [] } };
  },
});

const CALL: Call = {
  function: "f",
  version: null,
  keys: [],
  argsJson: "1",
  side: null,
  deadlineMs: null,
  logs: false,
};

/** Invokes a function that the node does not know yet, and tells what its side was given. */
async function invokeUnknown(
  ownMs: number,
  askedMs: number | null,
): Promise<{ reply: Reply; givenMs: readonly number[] }> {
  const registry = new SlowRegistry(() => described(ownMs));
  const functions = new FunctionCache(registry, 1_024);
  const givenMs: number[] = [];
  const side = answering((deadlineMs) => givenMs.push(deadlineMs));
  const invoker = new NodeInvoker({
    functions,
    plannedSide: () => null,
    sides: { compute: side, storage: side },
    inFlightMax: 10,
    observers: [],
    nowMs: () => registry.elapsedMs,
  });
  await registry.load(new Uint8Array());
  return { reply: await invoker.invoke({ ...CALL, deadlineMs: askedMs }), givenMs };
}

describe("a call of a function that the node has to look up", () => {
  it.each([
    ["asked for", LIMITS.deadlineMs.default, 1_000],
    ["the function's own", 1_000, null],
  ])("has what is left of its deadline, %s", async (_whose, ownMs, askedMs) => {
    const { reply, givenMs } = await invokeUnknown(ownMs, askedMs);
    expect(reply.ok).toBe(true);
    expect(reply.elapsedUs).toBe(LOOK_UP_MS * 1_000);
    expect(givenMs).toEqual([1_000 - LOOK_UP_MS]);
  });

  it("does not run when the look-up has taken all of it", async () => {
    const { reply, givenMs } = await invokeUnknown(LOOK_UP_MS, null);
    expect(reply).toMatchObject({ ok: false, error: { code: "DEADLINE_EXCEEDED" } });
    expect(givenMs).toEqual([]);
  });
});

describe("a call of a function that nobody can look up", () => {
  afterEach(() => void vi.useRealTimers());

  it.each([
    ["0.9 s, since the function's deadline is not known", null, 900, "REDIS_UNAVAILABLE"],
    ["0.9 s, if it has longer", 60_000, 900, "REDIS_UNAVAILABLE"],
    ["its deadline, if that is no more", 900, 900, "DEADLINE_EXCEEDED"],
    ["its deadline, if that is less", 300, 300, "DEADLINE_EXCEEDED"],
  ] as const)("waits for %s", async (_what, deadlineMs, waitsMs, code) => {
    vi.useFakeTimers();
    const registry = new MemoryRegistry(() => described(300));
    registry.changes = () => new Promise(() => {});
    const side = answering(() => {});
    const invoker = new NodeInvoker({
      functions: new FunctionCache(registry, 1_024),
      plannedSide: () => null,
      sides: { compute: side, storage: side },
      inFlightMax: 10,
      observers: [],
      nowMs: () => performance.now(),
    });
    const answered = vi.fn<(reply: Reply) => void>();
    void invoker.invoke({ ...CALL, deadlineMs }).then(answered);
    await vi.advanceTimersByTimeAsync(waitsMs - 1);
    expect(answered).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(answered).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ ok: false, error: expect.objectContaining({ code }) }),
    );
  });
});

describe("a call that the plan sends where it is refused before it runs", () => {
  it.each([
    ["SIDE_UNAVAILABLE", null, "compute"],
    ["PERMISSION_DENIED", null, "compute"],
    ["not reached", null, "compute"],
    ["REDIS_UNAVAILABLE", null, null],
    ["PERMISSION_DENIED", "storage", null],
    ["not reached", "storage", null],
  ] as const)("with %s, asked for %s, runs at %s", async (what, asked, ranAt) => {
    const code = what === "not reached" ? "REDIS_UNAVAILABLE" : what;
    const refusal = new LocusError(code, "no");
    const failure = what === "not reached" ? new SideNotReached(refusal) : refusal;
    const registry = new SlowRegistry(() => described(1_000));
    await registry.load(new Uint8Array());
    const invoker = new NodeInvoker({
      functions: new FunctionCache(registry, 1_024),
      plannedSide: () => ({
        side: "storage",
        reason: "probe",
        backCpuUs: 0,
        overflows: false,
        budget: new PushBackBudget(),
      }),
      sides: { compute: answering(() => {}), storage: { run: () => Promise.reject(failure) } },
      inFlightMax: 10,
      observers: [],
      nowMs: () => 0,
    });
    const reply = await invoker.invoke({ ...CALL, side: asked });
    const [ran, refused] = [
      { ok: true, side: ranAt, reason: "unavailable" },
      { ok: false, error: { code } },
    ];
    expect(reply).toMatchObject(ranAt === null ? refused : ran);
  });
});

describe("a storage side that the node's user has no right to", () => {
  const invokerOf = async (denying: SideRunner, nowMs: () => number) => {
    const registry = new SlowRegistry(() => described(1_000));
    await registry.load(new Uint8Array());
    return new NodeInvoker({
      functions: new FunctionCache(registry, 1_024),
      plannedSide: () => ({
        side: "storage",
        reason: "plan",
        backCpuUs: 0,
        overflows: false,
        budget: new PushBackBudget(),
      }),
      sides: { compute: answering(() => {}), storage: denying },
      inFlightMax: 10,
      observers: [],
      nowMs,
    });
  };
  const denialOf = (what: string) =>
    new LocusError("PERMISSION_DENIED", `NOPERM this user has no permissions to ${what}`);

  it("is asked by one call a second, of those that need not run there", async () => {
    let asked = 0;
    let nowMs = 0;
    let isDenied = true;
    const denying: SideRunner = {
      run: async (admitted, signal) => {
        asked += 1;
        if (isDenied) throw denialOf("run the 'locus.node|run' command");
        return answering(() => {}).run(admitted, signal);
      },
    };
    const invoker = await invokerOf(denying, () => nowMs);
    const elsewhere = { ok: true, side: "compute", reason: "unavailable" };
    for (const atMs of [0, 500, 999]) {
      nowMs = atMs;
      expect(await invoker.invoke({ ...CALL, keys: ["1"] })).toMatchObject(elsewhere);
    }
    expect(asked).toBe(1);
    expect(await invoker.invoke({ ...CALL, side: "storage" })).toMatchObject({ error: { code: "PERMISSION_DENIED" } });
    // Of those that come at once one as well.
    nowMs = 1_000;
    const replies = await Promise.all([invoker.invoke(CALL), invoker.invoke(CALL), invoker.invoke(CALL)]);
    for (const reply of replies) expect(reply).toMatchObject(elsewhere);
    expect(asked).toBe(3);
    isDenied = false;
    nowMs = 2_000;
    for (let call = 0; call < 2; call++) {
      expect(await invoker.invoke(CALL)).toMatchObject({ ok: true, side: "storage", reason: "plan" });
    }
  });

  it("is asked by all others where one names keys that it may not touch", async () => {
    const denying: SideRunner = {
      run: (admitted, signal) =>
        admitted.call.keys.length > 0
          ? Promise.reject(denialOf("access one of the keys used as arguments"))
          : answering(() => {}).run(admitted, signal),
    };
    const invoker = await invokerOf(denying, () => 0);
    expect(await invoker.invoke({ ...CALL, keys: ["other:1"] })).toMatchObject({ ok: true, side: "compute" });
    expect(await invoker.invoke(CALL)).toMatchObject({ ok: true, side: "storage", reason: "plan" });
  });
});

describe("a call that overflows to a side that has no room", () => {
  const full = new LocusError("OVERLOADED", "its queue is full");
  const refusing: Readonly<Record<string, SideRunner>> = {
    "is refused before": { run: () => Promise.reject(full) },
    "is not taken by the sandbox": {
      run: () =>
        Promise.resolve({
          version: "1",
          outcome: {
            ok: false,
            error: { code: full.code, message: full.message, stack: "" },
            usage: NO_USAGE,
            logs: [],
          },
        }),
    },
    "finds the side switched off": { run: () => Promise.reject(new LocusError("SIDE_UNAVAILABLE", "no")) },
  };
  const invoke = async (side: Side, reason: PlannedSide["reason"], runner: SideRunner) => {
    const registry = new SlowRegistry(() => described(1_000));
    await registry.load(new Uint8Array());
    const home = answering(() => {});
    const invoker = new NodeInvoker({
      functions: new FunctionCache(registry, 1_024),
      plannedSide: () => ({ side, reason, backCpuUs: 0, overflows: true, budget: new PushBackBudget() }),
      sides: side === "compute" ? { compute: runner, storage: home } : { compute: home, storage: runner },
      inFlightMax: 10,
      observers: [],
      nowMs: () => 0,
    });
    return invoker.invoke(CALL);
  };

  it.each(Object.keys(refusing))("runs on its own side where it %s", async (how) => {
    expect(await invoke("storage", "overflow", refusing[how]!)).toMatchObject({
      ok: true,
      side: "compute",
      reason: "unavailable",
    });
    expect(await invoke("compute", "overflow", refusing[how]!)).toMatchObject({
      ok: true,
      side: "storage",
      reason: "unavailable",
    });
  });

  it("is refused where that side is its own", async () => {
    const error = { code: "OVERLOADED" };
    expect(await invoke("storage", "plan", { run: () => Promise.reject(full) })).toMatchObject({ ok: false, error });
  });
});

it("a call that was handed over is one that the plan spreads, and no caller's choice", async () => {
  const registry = new SlowRegistry(() => described(1_000));
  await registry.load(new Uint8Array());
  const fixed: boolean[] = [];
  const invoker = new NodeInvoker({
    functions: new FunctionCache(registry, 1_024),
    plannedSide: () => null,
    sides: { compute: answering(() => {}), storage: answering(() => {}) },
    inFlightMax: 10,
    observers: [{ ran: ({ isFixed }) => void fixed.push(isFixed === true), pushedBack: () => {}, refused: () => {} }],
    nowMs: () => 0,
  });
  await invoker.invoke({ ...CALL, side: "compute" });
  await invoker.invoke({ ...CALL, side: "compute", mayWrite: () => Promise.resolve(true) });
  await invoker.invoke({ ...CALL, side: null });
  expect(fixed).toEqual([true, false, false]);
});

describe("a call that is pushed back", () => {
  const known = Buffer.from("reads");
  const usage = { ...NO_USAGE, cpuUs: 20_000 };
  const invoke = async (compute: SideRunner, budget = new PushBackBudget()) => {
    const registry = new SlowRegistry(() => described(1_000));
    await registry.load(new Uint8Array());
    const given: AdmittedCall[] = [];
    const told: string[] = [];
    const invoker = new NodeInvoker({
      functions: new FunctionCache(registry, 1_024),
      plannedSide: () => ({ side: "storage", reason: "plan", backCpuUs: 20_000, overflows: false, budget }),
      sides: {
        compute: { run: (admitted) => (given.push(admitted), compute.run(admitted)) },
        storage: {
          run: async (admitted) => {
            given.push(admitted);
            if (admitted.backCpuUs > 0) return { version: "1", usage, known };
            return { version: "1", outcome: { ok: true, resultJson: "2", usage, logs: [] } };
          },
        },
      },
      inFlightMax: 10,
      observers: [
        {
          ran: ({ side, outcome }) => void told.push(`${side} ${outcome}`),
          pushedBack: ({ side, cpuUs }) => void told.push(`${side} pushed back after ${cpuUs}`),
          refused: (code) => void told.push(code),
        },
      ],
      nowMs: () => registry.elapsedMs,
    });
    const reply = await invoker.invoke(CALL);
    return { reply, told, given: given.map(({ backCpuUs, known: read }) => ({ backCpuUs, known: read })) };
  };

  it("runs at compute with what it has read, and is one call", async () => {
    expect(await invoke(answering(() => {}))).toMatchObject({
      reply: {
        ok: true,
        side: "compute",
        reason: "pushed-back",
        resultJson: "1",
        pushedBack: { usage: { cpuUs: 20_000 } },
      },
      told: ["storage pushed back after 20000", "compute ok"],
      given: [
        { backCpuUs: 20_000, known: null },
        { backCpuUs: 0, known },
      ],
    });
  });

  it("is none any more while what that wastes is not made up for by what calls compute, and is counted", async () => {
    const budget = new PushBackBudget();
    const compute = answering(() => {});
    let pushedBack = 0;
    for (; !budget.isSpent && pushedBack < 100; pushedBack++)
      expect((await invoke(compute, budget)).given).toHaveLength(2);
    expect(pushedBack).toBe(25);
    expect(budget.stayed).toBe(0);
    expect(await invoke(compute, budget)).toMatchObject({
      reply: { side: "storage", reason: "plan", pushedBack: null },
      told: ["storage ok"],
      given: [{ backCpuUs: 0, known: null }],
    });
    expect(budget.stayed).toBe(1);
    // The one that stayed has made up for a little.
    expect((await invoke(compute, budget)).told).toEqual(["storage pushed back after 20000", "compute ok"]);
  });

  it("comes to its end at storage where compute can run nothing", async () => {
    const away = { run: () => Promise.reject(new LocusError("SIDE_UNAVAILABLE", "no")) };
    expect(await invoke(away)).toMatchObject({
      reply: { ok: true, side: "storage", reason: "unavailable", resultJson: "2" },
      told: ["storage pushed back after 20000", "storage ok"],
    });
  });
});

describe("a call that met a limit", () => {
  const failing = async (
    code: "DEADLINE_EXCEEDED" | "MEMORY_LIMIT" | "CPU_LIMIT",
    askedMs: number | null,
    throws: boolean,
    more: Partial<Call> = {},
  ) => {
    const registry = new SlowRegistry(() => described(1_000));
    await registry.load(new Uint8Array());
    const error = { code, message: "it failed", stack: "" };
    const run = throws
      ? () => Promise.reject(new LocusError(code, error.message))
      : () => Promise.resolve({ version: "1", outcome: { ok: false as const, error, usage: NO_USAGE, logs: [] } });
    const invoker = new NodeInvoker({
      functions: new FunctionCache(registry, 1_024),
      plannedSide: () => null,
      sides: { compute: { run }, storage: { run } },
      inFlightMax: 10,
      observers: [],
      nowMs: () => 0,
    });
    return invoker.invoke({ ...CALL, deadlineMs: askedMs, ...more });
  };

  it.each([
    ["DEADLINE_EXCEEDED", 300, false, "it failed (the call's own deadline: 300 ms)"],
    ["DEADLINE_EXCEEDED", 300, true, "it failed (the call's own deadline: 300 ms)"],
    ["DEADLINE_EXCEEDED", 2_000, false, "it failed (limits.deadlineMs: 1000 ms)"],
    ["DEADLINE_EXCEEDED", null, true, "it failed (limits.deadlineMs: 1000 ms)"],
    ["MEMORY_LIMIT", 300, false, "it failed (limits.memoryMb: 1 MiB)"],
    ["CPU_LIMIT", 300, false, "it failed"],
  ] as const)("%s, asked for %s ms, thrown: %s, says which: %s", async (code, askedMs, throws, message) => {
    expect(await failing(code, askedMs, throws)).toMatchObject({ ok: false, error: { code, message } });
  });

  it("and was handed over leaves that to who handed it over", async () => {
    const handed = { mayWrite: () => Promise.resolve(true) };
    const reply = await failing("DEADLINE_EXCEEDED", 300, false, handed);
    expect(reply).toMatchObject({ ok: false, error: { message: "it failed" } });
  });
});
