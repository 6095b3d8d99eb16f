// A function that wants more memory than it may have ends alone, on every side: whatever it takes it from, and whether
// V8 notices in time or the process has to go.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { residentBytesOf } from "#bench/harness/processes.ts";
import type { Invocation } from "#runtime/function/define.ts";
import { bundleOf, errorOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

/** `kArenaEndMax` in runtime/native/host_addon.cc for each of sixteen threads that ran isolates: the most that a host may have besides what it began with. */
const HOST_SLACK_BYTES = 256 * 1024 * 1024;

/** More than there are arenas that threads can leave free memory in. */
const EATERS = 40;

describe.each(SIDE_NAMES)("a function that eats memory on %s", (name) => {
  let side: TestSide;
  /** Of its first host, before anybody has eaten. */
  let hostBytes: number;
  beforeAll(async () => {
    side = await startSide(name);
    const { result } = await side.deploy(bundleOf(() => "well"));
    await result();
    hostBytes = residentBytesOf(await hosts());
  });
  afterAll(() => side.close());

  const hosts = async (): Promise<readonly number[]> => (await side.hostPids()).filter((pid) => pid > 0);

  it.each([
    [
      "by a leak",
      () => {
        const kept: unknown[] = [];
        for (;;) kept.push(Array.from({ length: 100 }, (_, i) => ({ i })));
      },
    ],
    [
      "by a slow leak, between waits",
      async () => {
        const kept: unknown[] = [];
        for (;;) {
          for (let i = 0; i < 200; i++) kept.push(Array.from({ length: 1_000 }).fill(1.5));
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
      },
    ],
    [
      "by arrays of numbers",
      () => {
        const kept: unknown[] = [];
        for (;;) kept.push(Array.from({ length: 1_000 }).fill(1.5));
      },
    ],
    ["by one huge array", () => Array.from({ length: 3e7 }).map((_, i) => ({ i })).length],
    ["by a regular expression's copy", () => "x".repeat(5e8).replace(/x/g, "yy").length],
    ["by a string's pieces", () => "x".repeat(5e8).split("").length],
    // oxlint-disable-next-line typescript/no-misused-spread -- it was found so
    ["by a string that is spread", () => [..."x".repeat(5e8)].length],
    [
      "by typed arrays",
      () => {
        const kept: unknown[] = [];
        for (;;) kept.push(new Uint8Array(4 * 1024 * 1024).fill(1));
      },
    ],
    [
      "by WebAssembly's memory",
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
    ],
    [
      "by what it keeps in a Map",
      () => {
        const kept = new Map<number, string>();
        for (let i = 0; ; i++) kept.set(i, `value ${i}`);
      },
    ],
  ])("%s is ended with its own error, and others go on", async (_how, run) => {
    const eater = await side.deploy(bundleOf(run, { limits: { memoryMb: 32, deadlineMs: 120_000, cpuMs: 120_000 } }));
    const neighbour = await side.deploy(
      bundleOf(async ({ redis }) => {
        for (let i = 0; i < 20; i++) {
          await redis.get("k");
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        return "well";
      }),
    );
    const neighbours = Promise.all([neighbour.result(), neighbour.result(), neighbour.result()]);
    expect(errorOf(await eater.outcome())).toMatchObject({ code: "MEMORY_LIMIT" });
    expect(await neighbours).toEqual(["well", "well", "well"]);
    expect(await neighbour.result()).toBe("well");
  });

  it.each([
    [
      "by the bytes of texts",
      () => {
        const kept: unknown[] = [];
        for (;;) kept.push(new TextEncoder().encode("x".repeat(1_000_000)));
      },
    ],
    [
      "by what it reads, as bytes",
      async ({ redis }) => {
        await redis.set("megabyte", "x".repeat(1_000_000));
        const kept: unknown[] = [];
        for (;;) kept.push(await redis.getBuffer("megabyte"));
      },
    ],
    [
      "by many values as bytes at once",
      async ({ redis }) => {
        await redis.set("megabyte", "x".repeat(1_000_000));
        return (await redis.mgetBuffer(Array.from({ length: 60 }, () => "megabyte"))).length;
      },
    ],
    [
      "by operations within the arguments of operations",
      ({ redis }) => {
        const large = "x".repeat(7_900_000);
        let depth = 0;
        const nest = (): string => {
          const told = Object.defineProperty([large, ""], 1, { get: nest });
          if (++depth < 200) void redis.echo(told as never).catch(() => {});
          return "";
        };
        nest();
        return depth;
      },
      null,
    ],
    [
      "by a copy of one text many times over",
      () => structuredClone(Array.from({ length: 1_000 }).fill("x".repeat(1_000_000))).length,
    ],
    [
      "by copies within copies",
      () => {
        const large = "x".repeat(12_000_000);
        let depth = 0;
        const nest = (): unknown =>
          ++depth < 100 &&
          structuredClone(Object.defineProperty([large, large, 0], 2, { enumerable: true, get: nest }));
        nest();
        return depth;
      },
    ],
  ] satisfies readonly (readonly [string, (invocation: Invocation) => unknown, code?: null])[])(
    "%s is ended, and costs nobody the host",
    async (_how, run, code: string | null = "MEMORY_LIMIT") => {
      const eater = await side.deploy(bundleOf(run, { limits: { memoryMb: 32, deadlineMs: 120_000, cpuMs: 120_000 } }));
      const neighbour = await side.deploy(bundleOf(() => "well"));
      expect(await neighbour.result()).toBe("well");
      const [before] = await side.hostPids();
      const ended = await eater.outcome();
      expect(ended.ok ? null : ended.error.code).toBe(code);
      expect(await neighbour.result()).toBe("well");
      expect((await side.hostPids())[0]).toBe(before);
    },
  );

  it.each([
    ["heap", "Array.from({ length: 100_000 }, (_, i) => ({ i }))"],
    ["buffers", "new Uint8Array(4 * 1024 * 1024).fill(1)"],
  ])("from call to call, by %s, loses what it has kept and nothing else", async (_what, more) => {
    const limits = { memoryMb: 32, deadlineMs: 120_000, cpuMs: 120_000 };
    const before = `const kept = []; globalThis.keepMore = () => kept.push(${more});`;
    const { outcome, result } = await side.deploy(
      bundleOf(() => (globalThis as unknown as { keepMore: () => number }).keepMore(), { limits, before }),
    );
    expect(await result()).toBe(1);
    const [host] = await side.hostPids();
    let calls = 1;
    let ended = await outcome();
    for (; ended.ok; ended = await outcome()) expect(ended.resultJson).toBe(String((calls += 1)));
    expect(ended.error.code).toBe("MEMORY_LIMIT");
    expect(calls).toBeGreaterThan(2);
    expect(await result()).toBe(1);
    expect((await side.hostPids())[0]).toBe(host);
  });

  it("leaves no memory behind, however many there were", async () => {
    for (let i = 0; i < EATERS; i++) {
      const eater = await side.deploy(
        bundleOf(() => structuredClone(Array.from({ length: 1_000 }).fill("x".repeat(1_000_000))).length, {
          limits: { memoryMb: 32, deadlineMs: 120_000, cpuMs: 120_000 },
        }),
      );
      expect(errorOf(await eater.outcome())).toMatchObject({ code: "MEMORY_LIMIT" });
    }
    // What is lost is being disposed of meanwhile; hosts of those who cost one are there as well.
    const beyondFirst = async (): Promise<number> => {
      const there = await hosts();
      return residentBytesOf(there) / there.length - hostBytes;
    };
    await expect.poll(beyondFirst).toBeLessThan(HOST_SLACK_BYTES);
  });
});
