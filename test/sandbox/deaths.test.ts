// What the death of a sandbox host means to those who were in it, on every side.

import { kill } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { GuestError } from "#runtime/sandbox/supervisor.ts";
import { bundleOf, errorOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

describe.each(SIDE_NAMES)("when a sandbox host dies on %s", (name) => {
  let side: TestSide;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  const killHosts = async (): Promise<readonly number[]> => {
    const pids = (await side.hostPids()).filter((pid) => pid > 0);
    expect(pids).not.toEqual([]); // and never 0, which would be this process' own group
    for (const pid of pids) kill(pid, "SIGKILL");
    return pids;
  };

  it("a call that had only read is run again, unseen by its caller", async () => {
    const { result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        if (args !== "wait") return "well";
        while ((await redis.get("go on")) === null) await new Promise((resolve) => setTimeout(resolve, 10));
        return "read to the end";
      }),
    );
    const { result: goOn } = await side.deploy(bundleOf(({ redis }) => redis.set("go on", "1")));
    await result();
    const told = await side.toll();
    const calls = Promise.all(Array.from({ length: 3 }, () => result({ args: "wait" })));
    await expect.poll(() => side.inFlight()).toBe(3);
    const killed: number[] = [];
    // Once, but where none of them had a core to begin with by then.
    await vi.waitFor(async () => {
      await sleep(300);
      killed.push(...(await killHosts()));
      await expect.poll(async () => (await side.toll()).deaths).toBe(told.deaths + killed.length);
      expect((await side.toll()).reruns).toBeGreaterThan(told.reruns);
    });
    await goOn();
    expect(await calls).toEqual(["read to the end", "read to the end", "read to the end"]);
    expect((await side.hostPids()).some((pid) => killed.includes(pid))).toBe(false);
    expect((await side.toll()).deaths).toBe(told.deaths + killed.length);
  });

  it("a call that had written says so, and is not run again", async () => {
    const { outcome } = await side.deploy(
      bundleOf(async ({ redis }) => {
        await redis.incr("written");
        await new Promise(() => {});
      }),
    );
    const read = await side.deploy(bundleOf(({ redis }) => redis.get("written")));
    const ended = outcome({ deadlineMs: 30_000 });
    await expect.poll(() => read.result()).toBe("1");
    await killHosts();
    const error = errorOf(await ended);
    expect(error.code).toBe("SANDBOX_DIED");
    expect(error.message).toContain("had sent writes");
    // The memory channel lives in this process: its data outlives the host like Redis' does.
    expect(await read.result()).toBe("1");
  });

  it("a call whose isolate is lost by another's memory says so if it had written", async () => {
    const { outcome } = await side.deploy(
      bundleOf<string>(
        async ({ redis, args }) => {
          if (args === "leak") {
            const held: unknown[] = [];
            for (;;) held.push(Array.from({ length: 1_000 }, () => ({})));
          }
          await redis.incr(`lost:${args}`);
          await redis.set(`lost:ready:${args}`, "1");
          return await new Promise(() => {});
        },
        { limits: { memoryMb: 16, deadlineMs: 60_000 } },
      ),
    );
    const ready = await side.deploy(
      bundleOf<readonly string[]>(async ({ redis, args }) => redis.mget(...args.map((name) => `lost:ready:${name}`))),
    );
    const names = ["a", "b", "c", "d"];
    const cancelling = new AbortController();
    const writing = names.map((writer) => outcome({ args: writer, signal: cancelling.signal }));
    await expect.poll(() => ready.result({ args: names })).toEqual(names.map(() => "1"));
    // Each costs the isolate that has least to do: sooner or later one that a writer is in.
    const first = Promise.race(writing);
    const lost: GuestError[] = [];
    void first.then((ended) => lost.push(errorOf(ended)));
    while (lost.length === 0) expect(errorOf(await outcome({ args: "leak" })).code).toBe("MEMORY_LIMIT");
    expect(lost[0]?.code).toBe("SANDBOX_DIED");
    expect(lost[0]?.message).toContain("had sent writes");
    cancelling.abort();
    await Promise.all(writing);
  });

  it("the queue waits for the next host", async () => {
    const { result } = await side.deploy(bundleOf(() => "well"));
    await result();
    await killHosts();
    expect(await Promise.all(Array.from({ length: 20 }, () => result()))).toEqual(
      Array.from({ length: 20 }, () => "well"),
    );
  });

  it("whoever costs a process runs in one of its own from then on, and comes back when it behaves", async () => {
    const { description, outcome, result } = await side.deploy(
      // V8 gives up on this one, process and all.
      bundleOf<string>(({ args }) => (args === "crash" ? "x".repeat(5e8).split("").length : "well")),
    );
    const neighbour = await side.deploy(
      bundleOf(async () => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return "undisturbed";
      }),
    );
    // A node tells how many there were, and no names.
    const isToldByName = name === "storage";
    const isNamed = async (): Promise<boolean> =>
      isToldByName &&
      /^functions_in_quarantine:.*$/m.exec(String(await side.redis?.call("LOCUS.INFO")))![0].includes(description.name);
    const before = await side.toll();
    expect(errorOf(await outcome({ args: "crash" })).code).toBe("MEMORY_LIMIT");
    await expect
      .poll(() => side.toll())
      .toMatchObject({ deaths: before.deaths + 1, quarantined: before.quarantined + 1, released: before.released });
    await neighbour.result();
    const shared = (await side.hostPids())[0];
    // It costs its own process now, which nobody else is in.
    const beside = neighbour.result();
    expect(errorOf(await outcome({ args: "crash" })).code).toBe("MEMORY_LIMIT");
    expect(await beside).toBe("undisturbed");
    expect((await side.hostPids())[0]).toBe(shared);
    expect(await result({ args: "behave" })).toBe("well");
    expect(await side.toll()).toMatchObject({ deaths: before.deaths + 2, hasQuarantineHost: true });
    expect(await isNamed()).toBe(isToldByName);
    for (let i = 0; i < 120; i++) expect(await result({ args: "behave" })).toBe("well");
    expect((await side.toll()).released).toBe(before.released + 1);
    expect(await isNamed()).toBe(false);
  });

  it("one that was killed for its memory is counted so", async () => {
    const { outcome } = await side.deploy(
      bundleOf(
        () => {
          // Its types belong to browsers; the guest has it from V8.
          const { WebAssembly } = globalThis as unknown as {
            WebAssembly: { Memory: new (limits: { initial: number }) => { buffer: ArrayBuffer } };
          };
          const kept: unknown[] = [];
          for (;;) {
            const memory = new WebAssembly.Memory({ initial: 1_000 });
            new Uint8Array(memory.buffer).fill(1);
            kept.push(memory);
          }
        },
        { limits: { memoryMb: 32, deadlineMs: 120_000, cpuMs: 120_000 } },
      ),
    );
    const { deaths, killedForMemory, quarantined } = await side.toll();
    expect(errorOf(await outcome())).toMatchObject({ code: "MEMORY_LIMIT" });
    await expect
      .poll(() => side.toll())
      .toMatchObject({ deaths: deaths + 1, killedForMemory: killedForMemory + 1, quarantined: quarantined + 1 });
  });

  it("one that stands still with a call past its deadline is ended, and counted so", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(({ args }) => (args === "wait" ? new Promise(() => {}) : "well")),
    );
    expect(await result()).toBe("well");
    const [shared = 0] = await side.hostPids();
    const { deaths, killedForTime, quarantined } = await side.toll();
    const waiting = outcome({ args: "wait", deadlineMs: 3_000 });
    await expect.poll(() => side.inFlight(), { interval: 5 }).toBe(1);
    kill(shared, "SIGSTOP");
    expect(errorOf(await waiting).code).toBe("DEADLINE_EXCEEDED");
    await expect
      .poll(() => side.toll())
      .toMatchObject({ deaths: deaths + 1, killedForTime: killedForTime + 1, quarantined: quarantined + 1 });
    expect((await side.hostPids())[0]).not.toBe(shared);
    expect(await result()).toBe("well");
  });

  it("a call whose isolate cannot say how far it came by its deadline is told what was last seen of it", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        if (args !== "compute") return "well";
        await redis.set("computes", "1");
        for (;;);
      }),
    );
    const read = await side.deploy(bundleOf(({ redis }) => redis.get("computes")));
    expect(await result()).toBe("well");
    const [shared = 0] = await side.hostPids();
    const computing = outcome({ args: "compute", deadlineMs: 4_000 });
    await expect.poll(() => read.result(), { interval: 5 }).toBe("1");
    await sleep(500);
    kill(shared, "SIGSTOP");
    const ended = await computing;
    expect(errorOf(ended)).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: expect.stringMatching(
        /: when it was last seen, it had computed for [\d.]+ ms and waited for [\d.]+ ms$/,
      ) as string,
    });
    expect(ended.usage.cpuUs).toBeGreaterThan(10_000);
    expect(ended.usage.cpuUs + ended.usage.waitUs).toBeLessThanOrEqual(ended.usage.wallUs);
    await expect.poll(() => side.hostPids()).not.toContain(shared);
  });

  it("a function that kills each process it is in keeps failing alone", async () => {
    const { outcome } = await side.deploy(bundleOf(() => "x".repeat(5e8).split("").length));
    // It is in the same process the first time, and writes nothing.
    const neighbour = await side.deploy(bundleOf(({ redis }) => redis.get("n")));
    for (let i = 0; i < 4; i++) {
      const [ended, fine] = await Promise.all([outcome(), neighbour.result()]);
      expect(errorOf(ended).code).toBe("MEMORY_LIMIT");
      expect(fine).toBeNull();
    }
  });

  it("is not ended for a call that waits behind a neighbour's long turn", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(
        async ({ args }) => {
          if (args === "compute") {
            const until = performance.now() + 2_500;
            while (performance.now() < until);
            return "computed";
          }
          return await new Promise(() => {});
        },
        { limits: { deadlineMs: 10_000, cpuMs: 10_000 } },
      ),
    );
    const [before] = await side.hostPids();
    // As many as there may be isolates for one function share them with what computes.
    const waiting = Array.from({ length: 4 }, () => outcome({ args: "wait", deadlineMs: 300 }));
    await sleep(50);
    const computing = Promise.all([result({ args: "compute" }), result({ args: "compute" })]);
    for (const ended of await Promise.all(waiting)) expect(errorOf(ended).code).toBe("DEADLINE_EXCEEDED");
    expect(await computing).toEqual(["computed", "computed"]);
    // Others, of functions that cost one before, end when nobody has needed them for a while.
    expect((await side.hostPids())[0]).toBe(before);
  });

  it("that its function costs while more isolates of it load end its calls one by one, and none waits for its deadline", async () => {
    // Longer than it takes to eat what it may not have.
    const { outcome } = await side.deploy(
      bundleOf(() => "x".repeat(5e8).split("").length, {
        limits: { deadlineMs: 60_000, cpuMs: 20_000 },
        before: "for (const until = Date.now() + 3_000; Date.now() < until;);",
      }),
    );
    const calls = await Promise.all(Array.from({ length: 4 }, () => outcome({ deadlineMs: 60_000 })));
    for (const ended of calls) expect(["MEMORY_LIMIT", "SANDBOX_DIED"]).toContain(errorOf(ended).code);
  });
});
