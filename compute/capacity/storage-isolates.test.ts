import { afterEach, describe, expect, test, vi } from "vitest";

import { StorageIsolates } from "./storage-isolates.ts";

const REPLY = '{"isolatesMax":16,"spread":2,"functions":{"khop":{"isolates":2,"busy":1,"waiting":7}}}';

const replyOf = (functions: number): string => {
  const loads = Array.from({ length: functions }, (_, at) => [`f${at}`, { isolates: 1, busy: 1, waiting: 1 }] as const);
  return JSON.stringify({ isolatesMax: 16, spread: 2, functions: Object.fromEntries(loads) });
};

/** A connection with an answer that is the test's. */
const answering = (answer: () => Promise<unknown>) => {
  const commands: (readonly unknown[])[] = [];
  const call = (...words: readonly unknown[]): Promise<unknown> => {
    commands.push(words);
    return answer();
  };
  return { commands, isolates: new StorageIsolates({ call }) };
};

afterEach(() => {
  vi.useRealTimers();
});

describe("isolates of the storage side", () => {
  test("are said of all functions, and told of all, in one command that has an end", async () => {
    const { commands, isolates } = answering(async () => REPLY);
    const allowed = new Map([
      ["khop", 1],
      ["walk", 3],
    ]);
    expect(await isolates.allow(allowed)).toEqual({
      total: 16,
      functions: [{ functionKey: "khop", threadsMax: 2, threads: 2, busy: 1, waiting: 7 }],
    });
    expect(commands).toEqual([["LOCUS.FUNCTION", "ISOLATES", "5000", "khop", "1", "walk", "3"]]);
  });

  test.each([
    ["no JSON", "OK"],
    ["no isolates", '{"isolatesMax":0,"spread":1,"functions":{}}'],
    ["no function's name", '{"isolatesMax":1,"spread":1,"functions":{"A B":{"isolates":1,"busy":1,"waiting":1}}}'],
    ["no count", '{"isolatesMax":1,"spread":1,"functions":{"a":{"isolates":1,"busy":-1,"waiting":1}}}'],
    ["too many", '{"isolatesMax":1e9,"spread":1,"functions":{}}'],
    ["more functions than a module has", replyOf(1_001)],
  ])("are not believed where an answer has %s", async (_, reply) => {
    const { isolates } = answering(async () => reply);
    await expect(isolates.allow(new Map())).rejects.toMatchObject({ code: "MODULE_MISMATCH" });
  });

  test("are told of as many functions as a module has", async () => {
    const { isolates } = answering(async () => replyOf(1_000));
    expect((await isolates.allow(new Map())).functions).toHaveLength(1_000);
  });

  test("cannot be divided by a module that does not know how, which is told as such", async () => {
    const unknown = Object.assign(new Error("ERR unknown subcommand 'ISOLATES'. Try LOCUS.FUNCTION HELP."), {
      name: "ReplyError",
    });
    const { isolates } = answering(() => Promise.reject(unknown));
    await expect(isolates.allow(new Map())).rejects.toMatchObject({ code: "MODULE_MISSING" });
  });

  test("are not waited for when Redis is silent", async () => {
    vi.useFakeTimers();
    const silent = Promise.withResolvers<never>();
    const { isolates } = answering(() => silent.promise);
    const asked = isolates.allow(new Map()).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await asked).toMatchObject({ code: "REDIS_UNAVAILABLE" });
    // What comes of it later is nobody's.
    silent.reject(new Error("Connection is closed."));
  });
});
