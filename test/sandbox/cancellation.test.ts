// A caller who goes, in every state that its call may be in: the call ends at once for its caller, does nothing more, and leaves
// nothing in flight; the next one works.

import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";

import { BUILD_DIRECTORY, type NativeSupervisor } from "#runtime/sandbox/native-supervisor.ts";
import { bundleOf, type Deployed, errorOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

const LONG = { timeout: 60_000 };

describe.each(SIDE_NAMES)("a call that is cancelled on %s", (name) => {
  let side: TestSide;
  let marks: Deployed;
  beforeAll(async () => {
    side = await startSide(name);
    marks = await side.deploy(bundleOf(({ redis }) => redis.exists("late")));
  });
  afterAll(() => side.close());

  /** Calls, waits until as many are in flight and as far as `there` says, and cancels all, the last first. Their codes. */
  const cancelAll = async ({ outcome }: Deployed, calls = 1, there = async () => true): Promise<readonly string[]> => {
    const controllers = Array.from({ length: calls }, () => new AbortController());
    const outcomes = controllers.map(({ signal }) => outcome({ signal, deadlineMs: 30_000 }));
    await vi.waitFor(async () => expect([await side.inFlight(), await there()]).toEqual([calls, true]), LONG);
    for (const controller of controllers.toReversed()) controller.abort();
    return (await Promise.all(outcomes)).map((ended) => errorOf(ended).code);
  };
  /** How many marks there are once nothing is in flight any more, told by a call that works. */
  const marksLeft = async (): Promise<unknown> => {
    await vi.waitFor(async () => expect(await side.inFlight()).toBe(0), LONG);
    return marks.result();
  };

  it.each([
    [
      "while it computes",
      bundleOf(
        async ({ redis }) => {
          const until = Date.now() + 20_000;
          while (Date.now() < until);
          await redis.set("late", "1");
        },
        { limits: { deadlineMs: 30_000, cpuMs: 30_000 } },
      ),
    ],
    [
      "while it sleeps",
      bundleOf(
        async ({ redis }) => {
          await new Promise((resolve) => setTimeout(resolve, 10_000));
          await redis.set("late", "1");
        },
        { limits: { deadlineMs: 30_000 } },
      ),
    ],
    ["while it waits for nothing", bundleOf(() => new Promise(() => {}), { limits: { deadlineMs: 30_000 } })],
    [
      "while its isolate starts",
      bundleOf(({ redis }) => redis.set("late", "1"), {
        before: "const until = Date.now() + 3_000; while (Date.now() < until);",
      }),
    ],
  ])("%s", async (_state, bundle) => {
    expect(await cancelAll(await side.deploy(bundle))).toEqual(["CANCELLED"]);
    expect(await marksLeft()).toBe(0);
  });

  it("leaves nobody waiting for a promise that it kept and nothing settles any more", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf(
        ({ args }) => {
          const shared = globalThis as { kept?: Promise<string> };
          if (args === "look") return shared.kept ?? "fresh";
          return (shared.kept ??= new Promise((resolve) => setTimeout(() => resolve("late"), 20_000)));
        },
        { limits: { deadlineMs: 30_000 } },
      ),
    );
    const controller = new AbortController();
    const cancelled = outcome({ signal: controller.signal, args: "keep" });
    await vi.waitFor(async () => expect(await side.inFlight()).toBe(1), LONG);
    controller.abort();
    expect(errorOf(await cancelled).code).toBe("CANCELLED");
    expect(errorOf(await outcome({ deadlineMs: 300, args: "keep" })).code).toBe("DEADLINE_EXCEEDED");
    expect(await result({ args: "look" })).toBe("fresh");
  });

  it("while it is queued", async () => {
    const limits = { concurrency: 1, deadlineMs: 30_000 };
    const holds = await side.deploy(bundleOf(() => new Promise(() => {}), { limits }));
    expect(new Set(await cancelAll(holds, 12))).toEqual(new Set(["CANCELLED"]));
    expect(await marksLeft()).toBe(0);
  });

  it.skipIf(name === "memory")("while it waits for an operation", async () => {
    const writes = await side.deploy(bundleOf(({ redis }) => redis.set("late", "1")));
    await side.redis!.client("PAUSE", 60_000, "WRITE");
    const codes = await cancelAll(writes, 1, async () =>
      name === "storage"
        ? !String(await side.redis!.call("LOCUS.INFO")).includes("writes_paused:0\r")
        : String(await side.redis!.client("LIST")).includes("cmd=set "),
    );
    expect(codes).toEqual(["CANCELLED"]);
    await side.redis!.client("UNPAUSE");
    // On the compute side it was sent already, and waited in Redis.
    expect(await marksLeft()).toBe(name === "socket" ? 1 : 0);
  });
});

// Many calls of a connection have one signal.
it("a signal cancels the calls that are under way, and asks nothing of those that have ended", async () => {
  const side = await startSide("memory");
  onTestFinished(() => side.close());
  const { NativeSupervisor } = createRequire(import.meta.url)(join(BUILD_DIRECTORY, "supervisor.node")) as {
    readonly NativeSupervisor: { readonly prototype: NativeSupervisor };
  };
  const cancel = vi.spyOn(NativeSupervisor.prototype, "cancel");
  onTestFinished(() => cancel.mockRestore());
  const { outcome, result } = await side.deploy(
    bundleOf(({ args }) => (args === "stay" ? new Promise(() => {}) : args), { limits: { deadlineMs: 30_000 } }),
  );
  const controller = new AbortController();
  const { signal } = controller;
  for (const args of ["one", "two", "three"]) expect(await result({ signal, args })).toBe(args);
  const staying = outcome({ signal, args: "stay" });
  await vi.waitFor(async () => expect(await side.inFlight()).toBe(1), LONG);
  controller.abort();
  expect(errorOf(await staying).code).toBe("CANCELLED");
  expect(cancel).toHaveBeenCalledTimes(1);
});
