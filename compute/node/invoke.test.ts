// The way of a call through a node: its time, and what becomes of it where a side is out of reach. The gateway's tests go the rest of it.

import { describe, expect, it } from "vitest";
import { LocusError } from "#runtime/errors.ts";
import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { FunctionCache } from "./function-cache.ts";
import { NodeInvoker } from "./invoke.ts";
import type { Call, Reply } from "./invoker.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import { SideNotReached, type SideRunner } from "./side-runner.ts";

const LOOK_UP_MS = 60;

/** Each look-up takes its time, on a clock of its own. */
class SlowRegistry extends MemoryRegistry {
  elapsedMs = 0;

  override async list(): Promise<readonly FunctionDescription[]> {
    this.elapsedMs += LOOK_UP_MS;
    return super.list();
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
      plannedSide: () => ({ side: "storage", reason: "probe" }),
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
