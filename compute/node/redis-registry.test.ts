import { afterEach, describe, expect, it, vi } from "vitest";

import { describeDefinition } from "#runtime/function/describe.ts";
import { RedisRegistry } from "./redis-registry.ts";
import { FIRST_CURSOR } from "./registry.ts";
import { startScriptedRedis, type Script, type ScriptedRedis } from "./scripted-redis.ts";

const INFO = "# locus\r\nprotocol:2\r\nmodule_version:0.1.0\r\n";
/** What CHANGES answers where there are no functions, and what is read of it. */
const NONE = ["life-0", 1, 0, []];
const NOTHING = { isWhole: true, hasMore: false, changed: [], removed: [] };

describe("RedisRegistry", () => {
  let redis: ScriptedRedis;
  let registry: RedisRegistry;
  const log = { info: vi.fn<() => void>(), warn: vi.fn<() => void>() };

  const start = async (script: Script): Promise<void> => {
    redis = await startScriptedRedis(script);
    registry = new RedisRegistry(redis.address, redis.user, log);
    await registry.firstAttempt();
  };

  afterEach(async () => {
    registry.close();
    await redis.close();
    vi.clearAllMocks();
  });

  it("reads changes, fetches, stores and deletes functions", async () => {
    const version = "0123456789abcdef";
    const definition = { kind: "locus.function", name: "khop", run: "function" };
    const description = describeDefinition(definition, version, "deploy");
    const bytes = Buffer.from([0x2f, 0x2f, 0xc3, 0xa9, 0x0d, 0x0a]);
    const sent: string[] = [];
    await start((words) => {
      sent.push(words.join(" "));
      if (words[0] === "LOCUS.INFO") return INFO;
      if (words[1] === "CHANGES") return ["life-7", 0, 1, [["khop", version, JSON.stringify(description)], ["gone"]]];
      if (words[1] === "DUMP") return ["khop", "0", bytes];
      return words[1] === "LOAD" ? ["khop", "0"] : "OK";
    });
    expect(await registry.changes("life-5")).toEqual({
      cursor: "life-7",
      isWhole: false,
      hasMore: true,
      changed: [description],
      removed: ["gone"],
    });
    const stored = await registry.bundle("khop", "0");
    expect(stored.version).toBe("0");
    expect(Buffer.compare(stored.bundle, bytes)).toBe(0);
    expect(await registry.load(bytes)).toEqual({ name: "khop", version: "0" });
    await registry.delete("khop");
    expect(sent).toEqual([
      "LOCUS.INFO",
      "LOCUS.FUNCTION CHANGES life-5",
      "LOCUS.FUNCTION DUMP khop 0",
      "LOCUS.FUNCTION LOAD REPLACE //é\r\n",
      "LOCUS.FUNCTION DELETE khop",
    ]);
  });

  it("refuses a cluster that comes after the start, with each question", async () => {
    await start(({ 0: command }) => (command === "LOCUS.INFO" ? INFO : NONE));
    redis.info = "cluster_enabled:1\r\n";
    const refusal = { code: "CONFIG_INVALID", message: expect.stringContaining("is a node of a Redis Cluster") };
    await expect(registry.changes(FIRST_CURSOR)).rejects.toMatchObject(refusal);
    await expect(registry.probe()).rejects.toMatchObject(refusal);
    redis.info = "cluster_enabled:0\r\n";
    expect(await registry.changes(FIRST_CURSOR)).toMatchObject(NOTHING);
  });

  it("takes a function whose description cannot be read for one that is gone, says so, and reads the others", async () => {
    const version = "0123456789abcdef";
    const definition = { kind: "locus.function", name: "khop", run: "function" };
    const description = describeDefinition(definition, version, "deploy");
    const sound = JSON.stringify(description);
    const unsound = ["", "nonsense", "[]", `${sound}\0`, JSON.stringify({ ...description, limits: null, side: 1 })];
    await start((words) => {
      if (words[0] === "LOCUS.INFO") return INFO;
      return ["life-6", 1, 0, [...unsound, sound].map((json, index) => [`f${index}`, version, json])];
    });
    expect(await registry.changes(FIRST_CURSOR)).toMatchObject({
      changed: [description],
      removed: unsound.map((_, index) => `f${index}`),
    });
    const told = log.warn.mock.calls.map((call: readonly unknown[]) => call[1]);
    expect(told.filter((text) => String(text).endsWith("cannot be called"))).toHaveLength(unsound.length);
  });

  it("says that functions may have changed when it subscribes, when it is told, and when it comes back", async () => {
    await start(() => "OK");
    const changed = vi.fn<() => void>();
    registry.onChange(changed);
    await vi.waitFor(() => expect(redis.sockets.size).toBe(2));
    const before = changed.mock.calls.length;
    await vi.waitFor(() => {
      redis.publish("locus:functions", "{}");
      expect(changed.mock.calls.length).toBeGreaterThan(before);
    });
    changed.mockClear();
    for (const socket of redis.sockets) socket.destroy();
    await vi.waitFor(() => expect(changed).toHaveBeenCalled());
    expect(log.warn).toHaveBeenCalledWith("lost the connection to Redis");
  });

  it("says so when commands are taken, where that connection alone was lost", async () => {
    await start((words) => (words[0] === "LOCUS.INFO" ? INFO : NONE));
    const readings: Promise<unknown>[] = [];
    registry.onChange(() => readings.push(registry.changes(FIRST_CURSOR)));
    await vi.waitFor(() => expect(readings).toHaveLength(1));
    const [commands] = redis.sockets;
    commands!.destroy();
    await vi.waitFor(() => expect(readings).toHaveLength(2));
    expect(await Promise.all(readings)).toMatchObject([NOTHING, NOTHING]);
  });

  it("knows the module by its protocol", async () => {
    let info = INFO;
    await start(() => info);
    expect(await registry.probe()).toEqual({ moduleVersion: "0.1.0", obstacle: "", coreTimes: null });
    info = "protocol:3\r\n";
    await expect(registry.probe()).rejects.toMatchObject({ code: "MODULE_MISMATCH" });
  });

  it("reads nothing of a module that speaks another protocol, and asks it again after each return", async () => {
    let info = "protocol:3\r\n";
    await start((words) => (words[0] === "LOCUS.INFO" ? info : NONE));
    await expect(registry.changes(FIRST_CURSOR)).rejects.toMatchObject({ code: "MODULE_MISMATCH" });
    info = INFO;
    expect(await registry.changes(FIRST_CURSOR)).toMatchObject(NOTHING);
    info = "protocol:3\r\n";
    for (const socket of redis.sockets) socket.destroy();
    await vi.waitFor(() => expect(registry.changes(FIRST_CURSOR)).rejects.toMatchObject({ code: "MODULE_MISMATCH" }));
  });

  it("fails at once while there is no connection, and says so once", async () => {
    await start(() => "OK");
    await redis.close();
    await vi.waitFor(() => expect(log.warn).toHaveBeenCalled());
    await expect(registry.changes(FIRST_CURSOR)).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(log.warn).toHaveBeenCalledOnce();
    redis = await startScriptedRedis(() => "OK");
  });
});
