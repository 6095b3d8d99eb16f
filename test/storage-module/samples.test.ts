// LOCUS.NODE SAMPLES: sums over the calls that reached Redis without a node. They are those of
// runtime/profile/tally.ts: both are asked here, with the same calls.

import { spawnSync } from "node:child_process";

import * as fc from "fast-check";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";

import { ERRORS } from "#runtime/errors.ts";
import type { Sample } from "#runtime/profile/sample.ts";
import { SampleTally, TALLY_TERMS, type Tally, termOf } from "#runtime/profile/tally.ts";
import { readInfo } from "#test/module-info.ts";
import { buildNativeProgram } from "#test/native-program.ts";
import { serversOfTests, until } from "./scripted-host.ts";

interface Window {
  readonly stretchMs: number;
  readonly inFlight: number;
  readonly untracked: number;
  readonly tallies: readonly Tally[];
}

const start = serversOfTests();

const take = async (client: Redis, timeoutMs: number): Promise<Window> =>
  JSON.parse(String(await client.call("LOCUS.NODE", "SAMPLES", String(timeoutMs)))) as Window;
const call = (client: Redis, script: unknown = []): Promise<unknown> =>
  client.call("LOCUS.CALL", "script", "0", JSON.stringify(script));
const waiting = (client: Redis, count: number): Promise<void> =>
  until(async () => (await client.info("clients")).includes(`blocked_clients:${count}\r`));
const callsIn = (windows: readonly Window[]): number =>
  windows.flatMap(({ tallies }) => tallies).reduce((sum, { sums }) => sum + termOf(sums, "calls"), 0);

describe("a window", () => {
  test("has the calls that came straight to Redis, and what they used", async () => {
    const server = await start();
    const client = server.client();
    await call(client, {
      rounds: [
        [["SET", "a", "1"]],
        [
          ["GET", "a"],
          ["GET", "b"],
        ],
      ],
    });
    await expect(call(client, { exit: 3 })).rejects.toThrow(/^SANDBOXDIED/);
    const { stretchMs, inFlight, untracked, tallies } = await take(client, 0);
    expect([inFlight, untracked, tallies.length]).toEqual([0, 0, 1]);
    expect(stretchMs).toBeGreaterThanOrEqual(0);
    const [tally] = tallies as readonly [Tally];
    expect(tally).toMatchObject({
      function: "script",
      version: expect.stringMatching(/^[0-9a-f]{16}$/),
      side: "storage",
    });
    const sums = Object.fromEntries(TALLY_TERMS.map((term) => [term, termOf(tally.sums, term)]));
    expect(sums).toMatchObject({ calls: 1, failed: 1, untold: 1 });
    for (const term of ["elapsedUs", "serviceUs", "serviceUsSquared", "lockUs"]) expect(sums[term]).toBeGreaterThan(0);
    expect(sums["elapsedUs"]).toBeGreaterThanOrEqual(sums["serviceUs"]! + sums["queueUs"]!);
    expect(tally.elapsed.filter((_, index) => index % 2 === 1).reduce((sum, count) => sum + count, 0)).toBe(1);
    expect((await take(client, 0)).tallies).toEqual([]);
  });

  test("has none of a node's runs, and none that was refused", async () => {
    const server = await start({ moduleArguments: ["isolate-memory-mb", "2", "queue-max", "1"] });
    const client = server.client();
    await client.call("LOCUS.NODE", "RUN", "script", "*", "0", "{}", "[]");
    await expect(client.call("LOCUS.CALL", "nobody", "0")).rejects.toThrow(/^NOFUNCTION/);
    const held = [call(server.client(), { awaits: "go" }), call(server.client(), { awaits: "go" })];
    await until(async () => (await readInfo(client)).get("calls_queued") === "1");
    await expect(call(client)).rejects.toThrow(/^OVERLOADED/);
    expect(await take(client, 0)).toMatchObject({ inFlight: 2, tallies: [] });
    await client.set("go", "1");
    await Promise.all(held);
    expect(callsIn([await take(client, 0)])).toBe(2);
  });

  test("tells how many calls ran here though the plan has them elsewhere, since no node is there to take them", async () => {
    const server = await start();
    const client = server.client();
    const fixedUnder = async (version: number, share: number): Promise<number> => {
      const placement = { state: "pinned", share, probeEvery: 0, backCpuUs: 0, overflowMin: 0, overflowTimes: 0 };
      await client.call("LOCUS.PLAN", "SET", JSON.stringify({ version, placements: { script: placement } }));
      for (let at = 0; at < 3; at++) await call(client);
      const [{ sums } = { sums: [] }] = (await take(client, 0)).tallies;
      expect(termOf(sums, "calls")).toBe(3);
      return termOf(sums, "fixed");
    };
    expect([await fixedUnder(1, 0), await fixedUnder(2, 1)]).toEqual([3, 0]);
  });

  test("has a call whose client is gone", async () => {
    const server = await start();
    const [client, leaver] = [server.client(), server.client({ retryStrategy: () => null })];
    const left = call(leaver, { awaits: "nothing" }).catch(() => {});
    await until(async () => (await readInfo(client)).get("calls_in_flight") === "1");
    leaver.disconnect();
    await left;
    const [{ sums } = { sums: [] }] = (await take(client, 60_000)).tallies;
    expect([termOf(sums, "untold"), termOf(sums, "failed")]).toEqual([1, 1]);
  });
});

describe("who asks", () => {
  test("waits for a call, and only its own client does", async () => {
    const server = await start();
    const [client, taker] = [server.client(), server.client()];
    const taken = take(taker, 60_000);
    await waiting(client, 1);
    await call(client);
    expect(callsIn([await taken])).toBe(1);
  });

  test("is told when there was none in time", async () => {
    const server = await start();
    expect(await take(server.client(), 20)).toMatchObject({ inFlight: 0, untracked: 0, tallies: [] });
  });

  test("among several gets each call once", async () => {
    const server = await start();
    const client = server.client();
    const over = new AbortController();
    const windows: Window[] = [];
    const taker = async (own: Redis): Promise<void> => {
      while (!over.signal.aborted) windows.push(await take(own, 25));
    };
    const takers = [taker(server.client()), taker(server.client())];
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 50 }, () => call(client)));
    }
    await until(async () => callsIn(windows) >= 500);
    over.abort();
    await Promise.all(takers);
    expect(callsIn(windows)).toBe(500);
  });

  test("may go or be killed while it waits, and is not woken by others", async () => {
    const server = await start();
    const client = server.client();
    const options = { retryStrategy: () => null, autoResendUnfulfilledCommands: false };
    const takers = [1, 2, 3].map(() => server.client(options));
    const ids = await Promise.all(takers.map((taker) => taker.client("ID")));
    const replies = takers.map((taker) => take(taker, 60_000).then((window) => callsIn([window]), String));
    await waiting(client, 3);
    takers[0]!.disconnect();
    await client.client("KILL", "ID", ids[1]!);
    expect(await client.client("UNBLOCK", ids[2]!, "TIMEOUT")).toBe(0);
    await waiting(client, 1);
    await call(client);
    const closed = expect.stringContaining("closed");
    expect(await Promise.all(replies)).toEqual([closed, closed, 1]);
  });

  test("is refused when too many wait, and where nobody can", async () => {
    const server = await start();
    const client = server.client();
    const takers = Array.from({ length: 16 }, () => take(server.client(), 60_000));
    await waiting(client, 16);
    await expect(take(client, 60_000)).rejects.toThrow(/^OVERLOADED 16 clients/);
    expect((await take(client, 0)).tallies).toEqual([]);
    const [[refused] = []] = (await client.multi().call("LOCUS.NODE", "SAMPLES", "5").exec()) ?? [];
    expect(String(refused)).toMatch(/STORAGEREFUSED .*transaction/);
    for (const wrong of ["", "-1", "60001", "1.5", "x"]) {
      await expect(client.call("LOCUS.NODE", "SAMPLES", wrong)).rejects.toThrow(/^ERR timeoutMs is/);
    }
    for (let left = 16; left > 0; left--) {
      await call(client);
      await waiting(client, left - 1);
    }
    expect(callsIn(await Promise.all(takers))).toBe(16);
  });

  test("needs a right of its own", async () => {
    const server = await start();
    await server.client().acl("SETUSER", "caller", "on", "nopass", "+@all", "-locus.node|samples", "~*");
    const caller = server.client({ username: "caller", password: "x" });
    await expect(take(caller, 0)).rejects.toThrow(/^NOPERM/);
  });
});

describe("the tallies in TypeScript and C++", () => {
  const CODES = ["ok", ...Object.keys(ERRORS)];

  /** What the module's tally makes of the calls. */
  const askNative = (samples: readonly (Sample & { readonly elapsedUs: number })[]): readonly Tally[] => {
    const sources = ["sample_tally", "json_text"].map((name) => `storage-module/src/${name}.cc`);
    const program = buildNativeProgram({ name: "sample_tally", sources, libraries: [] });
    const ns = (us: number): number => Math.round(us * 1_000);
    const input = samples.map((sample) =>
      [
        sample.function,
        sample.version,
        CODES.indexOf(sample.outcome),
        ...[sample.wallUs, sample.queueUs, sample.startUs, sample.cpuUs, sample.slowedUs, sample.waitUs].map(ns),
        sample.operations,
        sample.rounds,
        sample.bytesOut,
        sample.bytesIn,
        sample.findableOperations,
        sample.findableRounds,
        sample.foundOperations,
        sample.foundRounds,
        ...[sample.lockUs, sample.elapsedUs].map(ns),
        Number(sample.isFixed),
      ].join(" "),
    );
    const { stdout } = spawnSync(program, { input: input.join("\n"), encoding: "utf8" });
    return (JSON.parse(stdout) as Window).tallies;
  };

  const us = fc.integer({ min: 0, max: 2 ** 40 }).map((ns) => ns / 1_000);
  const count = fc.integer({ min: 0, max: 2 ** 31 });
  // A call waits for its isolate within its time; so little of it that what is left is exact.
  const sample = fc
    .record({
      function: fc.constantFrom("khop", "hash-password", "f"),
      version: fc.constantFrom("0000000000000001", "0000000000000002"),
      side: fc.constant("storage" as const),
      outcome: fc.constantFrom("ok", "ok", "DEADLINE_EXCEEDED", "FUNCTION_FAILED", "ARGS_INVALID"),
      isFixed: fc.boolean(),
      wallUs: us,
      queueUs: fc.integer({ min: 0, max: 2 ** 20 }).map((ns) => ns / 1_000),
      startUs: us,
      cpuUs: fc.oneof(us, fc.constant(0)),
      slowedPart: fc.constantFrom(0, 0, 0.25, 0.75),
      waitUs: us,
      lockUs: us,
      elapsedUs: us,
      operations: count,
      rounds: count,
      bytesOut: count,
      bytesIn: count,
      findableOperations: count,
      findableRounds: count,
      foundOperations: count,
      foundRounds: count,
    })
    .map(({ slowedPart, ...one }) => {
      const slowedUs = Math.floor(slowedPart * one.cpuUs);
      return { ...one, wallUs: one.wallUs + one.queueUs, slowedUs };
    });

  test("have the same sums in the same buckets", () => {
    for (const samples of fc.sample(fc.array(sample, { minLength: 1, maxLength: 200 }), { numRuns: 30, seed: 7 })) {
      const tally = new SampleTally();
      for (const one of samples) tally.record(one, one.elapsedUs);
      const native = new Map(askNative(samples).map((one) => [one.function, one]));
      const ours = tally.take().tallies;
      expect(native.size).toBe(ours.length);
      for (const { function: name, version, side, sums, elapsed } of ours) {
        const other = native.get(name);
        expect(other).toMatchObject({ version, side, elapsed });
        for (const term of TALLY_TERMS) {
          expect(termOf(other!.sums, term) / (termOf(sums, term) || 1)).toBeCloseTo(
            termOf(sums, term) === 0 ? 0 : 1,
            9,
          );
        }
      }
    }
  });
});
