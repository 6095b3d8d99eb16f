// LOCUS.FUNCTION ISOLATES: how many isolates functions have, as is said and for as long, whatever becomes of functions and hosts meanwhile. The scripted
// host's functions take one call at a time, and one more isolate is worth starting for each call up to `spread`.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import type { RedisServer } from "#test/redis-server.ts";
import { startScriptedServer, until } from "./scripted-host.ts";

const SPREAD = 3;
const LONG_MS = "60000";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer({ moduleArguments: ["spread", String(SPREAD), "isolate-memory-mb", "64"] });
  redis = server.client();
});
afterAll(() => server.close());
beforeEach(async () => {
  await isolates();
  await redis.del("go");
});

interface Load {
  readonly isolates: number;
  readonly busy: number;
  readonly waiting: number;
}
interface Answer {
  readonly isolatesMax: number;
  readonly spread: number;
  readonly functions: Readonly<Record<string, Load>>;
}

const isolates = async (ttlMs = LONG_MS, ...pairs: readonly (string | number)[]): Promise<Answer> =>
  JSON.parse(String(await redis.call("LOCUS.FUNCTION", "ISOLATES", ttlMs, ...pairs.map(String)))) as Answer;

const statsOf = async (name: string): Promise<Load & { readonly isolatesMax: number }> => {
  const [[, json = ""] = []] = (await redis.call("LOCUS.FUNCTION", "STATS", name)) as string[][];
  return JSON.parse(json) as Load & { readonly isolatesMax: number };
};

const loads = (name: string, load: Partial<Load>): Promise<void> =>
  until(async () => {
    const stats = await statsOf(name);
    return Object.entries(load).every(([field, value]) => stats[field as keyof Load] === value);
  });

/** Calls that wait for `go`; `settled` counts those that have ended, well or not. */
const call = (name: string, count: number) => {
  const state = { ended: 0, outcomes: [] as string[] };
  const all = Array.from({ length: count }, async () => {
    const client = server.client();
    const reply = await client.call("LOCUS.CALL", name, "0", '{"awaits":"go"}').then(String, String);
    client.disconnect();
    state.ended++;
    state.outcomes.push(reply);
  });
  const go = async (): Promise<readonly string[]> => {
    await redis.set("go", "1");
    await Promise.all(all);
    return state.outcomes;
  };
  return { state, go };
};

const load = (bundle: string): Promise<unknown> => redis.call("LOCUS.FUNCTION", "LOAD", "REPLACE", bundle);

describe("isolates of a function", () => {
  test("are as many as calls are worth where nothing is said, and STATS tells what is busy and what waits", async () => {
    await load("free");
    expect(await statsOf("free")).toMatchObject({ isolates: 0, isolatesMax: SPREAD, busy: 0, waiting: 0 });
    const { go } = call("free", 5);
    await loads("free", { isolates: SPREAD, busy: SPREAD, waiting: 2 });
    const { functions, ...others } = await isolates();
    expect(others).toEqual({ isolatesMax: expect.any(Number), spread: SPREAD });
    expect(functions["free"]).toEqual({ isolates: SPREAD, busy: SPREAD, waiting: 2 });
    expect(await go()).toEqual(Array.from({ length: 5 }, () => "[]"));
    await loads("free", { isolates: SPREAD, busy: 0, waiting: 0 });
  });

  test("are no more than is said, and more when more is said, while calls wait", async () => {
    await load("bound");
    await isolates(LONG_MS, "bound", 1);
    expect(await statsOf("bound")).toMatchObject({ isolatesMax: 1 });
    const { go } = call("bound", 4);
    await loads("bound", { isolates: 1, busy: 1, waiting: 3 });
    await isolates(LONG_MS, "bound", 2);
    await loads("bound", { isolates: 2, busy: 2, waiting: 2 });
    // Its own limit stands above what is said.
    await isolates(LONG_MS, "bound", 63);
    await loads("bound", { isolates: SPREAD, busy: SPREAD, waiting: 1 });
    expect(await statsOf("bound")).toMatchObject({ isolatesMax: SPREAD });
    expect(await go()).toHaveLength(4);
  });

  test("close when fewer are said: idle ones at once, busy ones when their call has ended, which it does as it would", async () => {
    await load("less");
    const { go } = call("less", 2);
    await loads("less", { busy: 2 });
    await isolates(LONG_MS, "less", 1);
    await loads("less", { isolates: 2, busy: 2 });
    const late = call("less", 1);
    await loads("less", { isolates: 2, busy: 2, waiting: 1 });
    expect(await go()).toEqual(["[]", "[]"]);
    await late.go();
    await loads("less", { isolates: 1, busy: 0 });
    await isolates();
    await redis.del("go");
    const more = call("less", 3);
    await loads("less", { isolates: SPREAD });
    await more.go();
    await isolates(LONG_MS, "less", 1);
    await loads("less", { isolates: 1 });
  });

  test("are what they were when nobody says so any more, without a further word", async () => {
    await load("lapses");
    await isolates("300", "lapses", 1);
    const { go } = call("lapses", 3);
    await loads("lapses", { isolates: SPREAD, busy: SPREAD, waiting: 0 });
    expect(await statsOf("lapses")).toMatchObject({ isolatesMax: SPREAD });
    await go();
  });

  test("are bounded together, those of a version that was replaced included", async () => {
    await load("renewed 1");
    const old = call("renewed", 2);
    await loads("renewed", { busy: 2 });
    await isolates(LONG_MS, "renewed", 2);
    await load("renewed 2");
    const young = call("renewed", 2);
    // A version has its first in any case: nobody waits for what may not end.
    await loads("renewed", { isolates: 3, busy: 3, waiting: 1 });
    await old.go();
    await young.go();
    await loads("renewed", { isolates: 2, busy: 0 });
    await redis.call("LOCUS.CALL", "renewed", "0", "[1]");
    await redis.call("LOCUS.FUNCTION", "DELETE", "renewed");
    expect((await isolates(LONG_MS, "renewed", 1)).functions).not.toHaveProperty("renewed");
    await load("renewed 3");
    expect(await statsOf("renewed")).toMatchObject({ isolatesMax: SPREAD });
  });

  test("of one function are no other's matter", async () => {
    for (const name of ["one", "two"]) await load(name);
    await isolates(LONG_MS, "one", 1);
    const [one, two] = [call("one", 3), call("two", 3)];
    await loads("one", { isolates: 1, waiting: 2 });
    await loads("two", { isolates: SPREAD, waiting: 0 });
    expect([...(await one.go()), ...(await two.go())]).toEqual(Array.from({ length: 6 }, () => "[]"));
  });

  test("are opened anew, as many as is said, where their host has died", async () => {
    await load("dies");
    await isolates(LONG_MS, "dies", 1);
    await redis.call("LOCUS.CALL", "dies", "0", '{"exit":1}').catch(() => {});
    const { go } = call("dies", 3);
    await loads("dies", { isolates: 1, busy: 1, waiting: 2 });
    expect(await go()).toEqual(["[]", "[]", "[]"]);
  });

  test("are nobody's while the side is off, and are free when it is back", async () => {
    await isolates(LONG_MS, "script", 1);
    await redis.call("LOCUS.CONFIG", "SET", "enabled", "no");
    expect((await isolates(LONG_MS, "script", 1)).functions).toEqual({});
    await redis.call("LOCUS.CONFIG", "SET", "enabled", "yes");
    expect(await statsOf("script")).toMatchObject({ isolates: 0, isolatesMax: SPREAD });
  });
});

test("nothing is taken of what is wrong in any part", async () => {
  await load("kept");
  await isolates(LONG_MS, "kept", 2);
  const ask = (...words: readonly string[]) => redis.call("LOCUS.FUNCTION", "ISOLATES", ...words);
  await expect(ask("1000", "kept", "1", "kept", "1")).rejects.toThrow(/^ERR the function "kept" is named twice/);
  await expect(ask("1000", "kept", "1", "kept", "0")).rejects.toThrow(
    /^ERR most is "0", must be a whole number from 1 to 4095/,
  );
  await expect(ask("60001", "kept", "1")).rejects.toThrow(
    /^ERR ttlMs is "60001", must be a whole number from 1 to 60000/,
  );
  const tooMany = Array.from({ length: 1_001 }, (_, index) => [`f${index}`, "1"]).flat();
  await expect(ask("1000", ...tooMany)).rejects.toThrow(/^ERR after ttl-ms .* of at most 1000 functions$/);
  expect(await statsOf("kept")).toMatchObject({ isolatesMax: 2 });
  // Of a function that nobody has deployed, or that has been deleted since, there is nothing to bound.
  await isolates(LONG_MS, "nobody", 1, "kept", 1);
  expect(await statsOf("kept")).toMatchObject({ isolatesMax: 1 });
});
