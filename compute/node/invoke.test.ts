// The way of a call through a node, as far as its time is concerned; the gateway's tests go the rest of it.

import { describe, expect, it } from "vitest";
import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { FunctionCache } from "./function-cache.ts";
import { NodeInvoker } from "./invoke.ts";
import type { Call, Reply } from "./invoker.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import type { SideRunner } from "./side-runner.ts";

const LOOK_UP_MS = 60;

/** Each look-up takes its time, on a clock of its own. */
class SlowRegistry extends MemoryRegistry {
  elapsedMs = 0;

  override async list(): Promise<readonly FunctionDescription[]> {
    this.elapsedMs += LOOK_UP_MS;
    return super.list();
  }
}

/** Invokes a function that the node does not know yet, and tells what its side was given. */
async function invokeUnknown(
  ownMs: number,
  askedMs: number | null,
): Promise<{ reply: Reply; givenMs: readonly number[] }> {
  const limits = { deadlineMs: ownMs, cpuMs: 1, memoryMb: 1, operations: 1, concurrency: 1 };
  const registry = new SlowRegistry(() => ({
    name: "f",
    version: "1",
    side: null,
    limits,
    input: null,
    output: null,
  }));
  const functions = new FunctionCache(registry, 1_024);
  const givenMs: number[] = [];
  const side: SideRunner = {
    run: async ({ deadlineMs }) => {
      givenMs.push(deadlineMs);
      return { version: "1", outcome: { ok: true, resultJson: "1", usage: NO_USAGE, logs: [] } };
    },
  };
  const invoker = new NodeInvoker({
    functions,
    plannedSide: () => null,
    sides: { compute: side, storage: side },
    inFlightMax: 10,
    observers: [],
    nowMs: () => registry.elapsedMs,
  });
  await registry.load(new Uint8Array());
  const call: Call = {
    function: "f",
    version: null,
    keys: [],
    argsJson: "1",
    side: null,
    deadlineMs: askedMs,
    logs: false,
  };
  return { reply: await invoker.invoke(call), givenMs };
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
