// What a node says to a module that is not as it should be. With the real one: test/compute/attachment.test.ts.

import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";

import { NO_USAGE } from "#runtime/profile/sample.ts";
import { Attachment } from "./attachment.ts";
import type { Call, Reply } from "./invoker.ts";
import { startScriptedRedis, type Script, type ScriptedReply, type ScriptedRedis } from "./scripted-redis.ts";

const CALL = [7, "khop", "0123456789abcdef", 1_000, "default", 0, ["k"], '{"depth":5}', "cmVhZHM="] as const;
const FACTS = {
  id: "1",
  side: "compute",
  reason: "asked",
  version: null,
  elapsedUs: 1,
  sentUs: 0,
  pushedBack: null,
  logs: [],
} as const;
const failed = (code: "OVERLOADED" | "DEADLINE_EXCEEDED" | "FUNCTION_FAILED", usage: Reply["usage"]): Reply => ({
  ...FACTS,
  ok: false,
  usage,
  error: { code, message: "why", stack: "" },
});

describe("an attachment", () => {
  let redis: ScriptedRedis;
  let attachment: Attachment;
  const log = { info: vi.fn<() => void>(), warn: vi.fn<() => void>() };
  const asked: Call[] = [];

  const start = async (script: Script, reply: Reply): Promise<void> => {
    vi.clearAllMocks();
    asked.splice(0);
    redis = await startScriptedRedis(script);
    const { address, user } = redis;
    const invoker = { invoke: async (call: Call) => (asked.push(call), reply) };
    attachment = new Attachment({ address, nodeUser: user, functionUser: user, acting: null, invoker }, log);
  };
  afterEach(async () => {
    await attachment.close(0);
    await redis.close();
  });

  /** A module that has one call; what is given for it goes to `give`. */
  const module = (give: (words: readonly string[]) => ScriptedReply): Script => {
    let taken = false;
    return (words) => {
      const [, subcommand] = words;
      if (subcommand === "TAKE") {
        if (taken) return undefined;
        taken = true;
        return [[CALL], [], []];
      }
      return subcommand === "GIVE" ? give(words.slice(2)) : "OK";
    };
  };
  const given = async (reply: Reply): Promise<readonly string[]> => {
    const words = Promise.withResolvers<readonly string[]>();
    await start(
      module((said) => (words.resolve(said), 1)),
      reply,
    );
    return words.promise;
  };

  it("has a call run at compute, in the version and with the time that the module says", async () => {
    const usage = { ...NO_USAGE, wallUs: 5 };
    expect(await given({ ...FACTS, ok: true, usage, resultJson: "[1]" })).toEqual([
      "7",
      "OK",
      JSON.stringify(usage),
      "[1]",
    ]);
    expect(asked).toEqual([
      {
        function: "khop",
        version: "0123456789abcdef",
        keys: ["k"],
        argsJson: '{"depth":5}',
        side: "compute",
        deadlineMs: 1_000,
        logs: false,
        known: Buffer.from("reads"),
        mayWrite: expect.any(Function) as unknown,
      },
    ]);
  });

  it("gives back what did not run, and only that", async () => {
    expect(await given(failed("OVERLOADED", null))).toEqual(["7", "BACK", "OVERLOADED why"]);
    await attachment.close(0);
    await redis.close();
    // A queue for isolates that is full refuses in the words of a call that ran.
    expect((await given(failed("OVERLOADED", NO_USAGE)))[1]).toBe("BACK");
    await attachment.close(0);
    await redis.close();
    expect((await given(failed("OVERLOADED", { ...NO_USAGE, cpuUs: 1 })))[1]).toBe("ERROR");
    await attachment.close(0);
    await redis.close();
    expect((await given(failed("DEADLINE_EXCEEDED", null)))[1]).toBe("ERROR");
  });

  it("says something on each connection also while calls come all the time", async () => {
    const pinged = new Set<unknown>();
    await start(
      ([command, subcommand], socket) => {
        if (command?.toUpperCase() === "PING") pinged.add(socket);
        return subcommand === "TAKE" ? [[CALL], [], []] : "OK";
      },
      { ...FACTS, ok: true, usage: NO_USAGE, resultJson: "[1]" },
    );
    await vi.waitFor(() => expect(pinged.size).toBe(2));
  });

  it("waits for calls no longer than until the next word is due, however late the last ones came", async () => {
    const waits: number[] = [];
    await start(
      async ([, subcommand, , timeoutMs]) => {
        if (subcommand !== "TAKE") return "OK";
        waits.push(Number(timeoutMs));
        await sleep(waits.length === 1 ? 1_000 : 60_000, null, { ref: false });
        return [[CALL], [], []];
      },
      { ...FACTS, ok: true, usage: NO_USAGE, resultJson: "[1]" },
    );
    await vi.waitFor(() => expect(waits).toHaveLength(2));
    const [first = 0, second = 0] = waits;
    // The clocks of timers are coarse.
    expect(second).toBeLessThanOrEqual(first - 990);
  });

  it("says so where the module does not take what a function came to", async () => {
    const said: (readonly string[])[] = [];
    const script = module((words) => (said.push(words), words[1] === "OK" ? new Error("ERR no") : 1));
    await start(script, { ...FACTS, ok: true, usage: NO_USAGE, resultJson: "[1]" });
    await vi.waitFor(() => expect(said.map(([, kind]) => kind)).toEqual(["OK", "ERROR"]));
    expect(said[1]?.[3]).toContain('"INTERNAL"');
  });

  it("that is refused is tried again, and the reason is told once", async () => {
    let attempts = 0;
    await start(
      (words) => {
        if (words[1] !== "ATTACH") return undefined;
        attempts += 1;
        return attempts <= 3 ? new Error("NOPERM no right to attach") : "OK";
      },
      failed("OVERLOADED", null),
    );
    await vi.waitFor(() => expect(log.info).toHaveBeenCalledWith("attached: takes calls from Redis"));
    expect(log.warn).toHaveBeenCalledTimes(1);
    expect(log.warn).toHaveBeenCalledWith({ reason: "no right to attach" }, "takes no calls from Redis");
  });

  it("that loses one connection drops the others, and begins anew", async () => {
    const secrets = new Set<string>();
    await start(
      (words, socket) => {
        if (words[1] === "ATTACH") secrets.add(words[3] ?? "");
        if (words[1] === "TAKE" && secrets.size === 1) socket.destroy();
        return words[1] === "ATTACH" ? "OK" : undefined;
      },
      failed("OVERLOADED", null),
    );
    await vi.waitFor(() => expect(log.info).toHaveBeenCalledTimes(2));
    await vi.waitFor(() => expect(redis.sockets.size).toBe(3));
    expect(secrets.size).toBe(2);
  });
});
