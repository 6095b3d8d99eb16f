import { afterEach, describe, expect, it, vi } from "vitest";

import type { FunctionDescription } from "#runtime/function/description.ts";
import type { Call } from "./invoker.ts";
import { startScriptedRedis, type Script, type ScriptedReply, type ScriptedRedis } from "./scripted-redis.ts";
import { SideNotReached, type AdmittedCall } from "./side-runner.ts";
import { StorageSide } from "./storage-side.ts";

const USAGE = {
  wallUs: 1,
  queueUs: 2,
  startUs: 1,
  cpuUs: 3,
  slowedUs: 1,
  waitUs: 4,
  operations: 5,
  rounds: 6,
  bytesOut: 7,
  bytesIn: 8,
  findableOperations: 5,
  findableRounds: 3,
  foundOperations: 4,
  foundRounds: 2,
  lockUs: 9,
};
const CURRENT = "0123456789abcdef";

const admitted = (overrides: Partial<Call> = {}, id = "call-1", deadlineMs = 1_000): AdmittedCall => ({
  id,
  deadlineMs,
  backCpuUs: 0,
  overflows: false,
  known: null,
  description: {} as FunctionDescription,
  call: {
    function: "khop",
    version: null,
    keys: ["7", "k\r\n"],
    argsJson: '{"depth":5}',
    side: "storage",
    deadlineMs: null,
    logs: false,
    ...overrides,
  },
});

const ok = (resultJson: string, logs: readonly string[] = []): ScriptedReply => [
  "ok",
  CURRENT,
  JSON.stringify(USAGE),
  JSON.stringify(logs),
  resultJson,
];

describe("StorageSide", () => {
  let redis: ScriptedRedis;
  let side: StorageSide;

  const start = async (script: Script, connectionsMax = 4): Promise<void> => {
    redis = await startScriptedRedis(script);
    side = new StorageSide({ address: redis.address, user: redis.user, connectionsMax, queueLengthMax: 10 });
  };

  afterEach(async () => {
    side.close();
    await redis.close();
  });

  it("sends the call as LOCUS.NODE RUN, and gives back what the sandbox says", async () => {
    const sent: (readonly string[])[] = [];
    await start((words) => (sent.push(words), ok('{"visited":1}', ["line"])));
    expect(await side.run(admitted())).toEqual({
      version: CURRENT,
      outcome: { ok: true, resultJson: '{"visited":1}', usage: USAGE, logs: ["line"] },
    });
    await side.run(admitted({ version: CURRENT, keys: [] }));
    expect(sent[0]).toEqual([
      "LOCUS.NODE",
      "RUN",
      "khop",
      "*",
      "2",
      "7",
      "k\r\n",
      // What is left of the deadline once there is a connection.
      expect.stringMatching(/^{"deadlineMs":(1000|[1-9]\d{0,2}),"logs":true,"id":"call-1"}$/),
      '{"depth":5}',
    ]);
    expect(sent[1]?.slice(2, 5)).toEqual(["khop", CURRENT, "0"]);
  });

  it("takes for nothing what an older module does not tell of a call", async () => {
    const none = { slowedUs: 0, findableOperations: 0, findableRounds: 0, foundOperations: 0, foundRounds: 0 };
    const told = JSON.stringify(USAGE, (name, value: unknown) => (name in none ? undefined : value));
    await start(() => ["ok", CURRENT, told, "[]", "1"]);
    expect(await side.run(admitted())).toMatchObject({ outcome: { usage: { ...USAGE, ...none } } });
  });

  it("lets a call be pushed back, and gives back what it has read", async () => {
    const options: string[] = [];
    await start((words) => (options.push(words.at(-2)!), ["back", CURRENT, JSON.stringify(USAGE), "[]", "AAH/"]));
    expect(await side.run({ ...admitted(), backCpuUs: 20_000 })).toEqual({
      version: CURRENT,
      usage: USAGE,
      known: Buffer.from([0, 1, 255]),
    });
    expect(JSON.parse(options[0]!)).toMatchObject({ backCpuUs: 20_000, id: "call-1" });
  });

  it("gives back how a function failed", async () => {
    const error = { code: "FUNCTION_FAILED", message: "thrown", stack: "at run (khop.ts:1:1)" };
    await start(() => ["error", CURRENT, JSON.stringify(USAGE), "[]", JSON.stringify(error)]);
    expect(await side.run(admitted())).toEqual({
      version: CURRENT,
      outcome: { ok: false, error, usage: USAGE, logs: [] },
    });
  });

  it.each([
    ["NOFUNCTION there is no function khop here", "FUNCTION_NOT_FOUND"],
    ["STORAGEREFUSED this Redis is a replica", "STORAGE_REFUSED"],
    ["NOPERM this user has no permissions", "PERMISSION_DENIED"],
    ["ERR unknown command 'LOCUS.NODE'", "MODULE_MISSING"],
  ])("rejects with the code of %j, and keeps the connection", async (message, code) => {
    let connections = 0;
    await start((_words, socket) => {
      connections += socket.bytesWritten > 0 ? 0 : 1;
      return new Error(message);
    });
    await expect(side.run(admitted())).rejects.toMatchObject({ code });
    await expect(side.run(admitted())).rejects.toMatchObject({ code });
    expect(connections).toBe(0);
    // One for calls, one for cancels.
    expect(redis.sockets.size).toBe(2);
  });

  it("rejects a reply in a shape that it does not know", async () => {
    await start(() => ["ok", CURRENT]);
    await expect(side.run(admitted())).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("has a connection for each call in flight, up to its bound, and uses them again", async () => {
    let inFlight = 0;
    let inFlightPeak = 0;
    await start(async () => {
      inFlightPeak = Math.max(inFlightPeak, (inFlight += 1));
      // None ends before as many are there as there may be, and a while for one more.
      await vi.waitUntil(() => inFlightPeak >= 3);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inFlight -= 1;
      return ok("null");
    }, 3);
    await Promise.all(Array.from({ length: 9 }, (_, index) => side.run(admitted({}, `call-${index}`))));
    expect(inFlightPeak).toBe(3);
    expect(redis.sockets.size).toBe(4);
  });

  it("cancels over another connection, and its RUN then answers", async () => {
    let end: ((reply: ScriptedReply) => void) | null = null;
    const cancelled: string[] = [];
    await start((words) => {
      if (words[1] === "RUN") return new Promise((resolve) => (end = resolve));
      cancelled.push(words[2] ?? "");
      const error = JSON.stringify({ code: "CANCELLED", message: "cancelled", stack: "" });
      end?.(["error", CURRENT, JSON.stringify(USAGE), "[]", error]);
      return 1;
    });
    const controller = new AbortController();
    const running = side.run(admitted({}, "the-call"), controller.signal);
    await vi.waitUntil(() => end !== null && redis.sockets.size === 2);
    controller.abort();
    expect(await running).toMatchObject({ outcome: { ok: false, error: { code: "CANCELLED" } } });
    expect(cancelled).toEqual(["the-call"]);
    expect(redis.sockets.size).toBe(2);
  });

  it("drops the call's connection where a cancel finds nothing: the module cancels what a gone client leaves", async () => {
    let isRunning = false;
    await start((words) => {
      isRunning ||= words[1] === "RUN";
      return words[1] === "CANCEL" ? 0 : undefined;
    });
    const controller = new AbortController();
    const running = side.run(admitted(), controller.signal).catch((error: Error) => error);
    await vi.waitUntil(() => isRunning && redis.sockets.size === 2);
    controller.abort();
    expect(await running).toMatchObject({ code: "CANCELLED" });
    await vi.waitFor(() => expect(redis.sockets.size).toBe(1));
  });

  it("does not wait for a silent Redis past the deadline and half a second", async () => {
    await start(() => undefined);
    await expect(side.run(admitted({}, "call-1", 1_000))).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
    await vi.waitFor(() => expect(redis.sockets.size).toBe(1));
  });

  it("fails a call whose connection breaks, sends nothing twice, and opens a new connection for the next", async () => {
    let runs = 0;
    await start((_words, socket) => {
      runs += 1;
      if (runs > 1) return ok("null");
      socket.destroy();
      return undefined;
    });
    const broken: unknown = await side.run(admitted()).catch((error: unknown) => error);
    expect(broken).toMatchObject({ code: "REDIS_UNAVAILABLE" });
    expect(broken).not.toBeInstanceOf(SideNotReached);
    expect(await side.run(admitted())).toMatchObject({ outcome: { ok: true } });
    expect(runs).toBe(2);
  });

  it("says at once that nothing listens there, and that nothing was sent", async () => {
    await start(() => undefined);
    const nowhere = { ...redis.address, port: 1 };
    const lost = new StorageSide({ address: nowhere, user: redis.user, connectionsMax: 1, queueLengthMax: 1 });
    const error: unknown = await lost.run(admitted()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SideNotReached);
    expect(error).toMatchObject({
      code: "REDIS_UNAVAILABLE",
      message: "cannot connect to Redis for a call: connect ECONNREFUSED 127.0.0.1:1",
    });
    lost.close();
  });
});
