import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RedisAddress, RedisUser } from "#compute/node/redis-connection.ts";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { LocusError } from "#runtime/errors.ts";
import { sampleEntries } from "./samples.ts";
import { type GraphInfo, GRAPH_INFO_KEY, parseGraphInfo } from "./graph.ts";
import type { GraphSource } from "./graph-source.ts";
import { loadGraph, type LoadProgress } from "./load.ts";

const NEVER = new AbortController().signal;
const NOBODY: RedisUser = { username: null, password: null };
const SAMPLES = sampleEntries(null).length;
const addressOf = (path: string): RedisAddress => ({ host: "", port: 0, path, tls: false, database: 0 });

/** Between clients and a server: how often a client spoke after the server had, which is how many round trips it may have waited for. */
async function startTurnCounter(serverPath: string, path: string) {
  let turns = 0;
  const counter = createServer((near) => {
    const far = connect({ path: serverPath });
    let serverSpokeLast = true;
    near.on("data", () => {
      if (serverSpokeLast) turns++;
      serverSpokeLast = false;
    });
    far.on("data", () => (serverSpokeLast = true));
    near.pipe(far).pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => {}).on("close", () => other.destroy());
    }
  });
  counter.listen(path);
  await once(counter, "listening");
  return { turns: () => turns, close: () => counter.close() };
}

describe("parseGraphInfo", () => {
  const info: GraphInfo = { source: "a graph", nodes: 3, edges: 2, firstId: 1, lastId: 3, state: "loaded" };

  test("reads what a loader has written", () => {
    expect(parseGraphInfo(JSON.stringify(info))).toEqual(info);
    expect(parseGraphInfo(JSON.stringify({ ...info, state: "loading" }))).toEqual({ ...info, state: "loading" });
  });

  test.for([null, "", "null", "[]", "{", "7", '{"source":"x"}', JSON.stringify({ ...info, lastId: 1e15 })])(
    "sees no marker in %j",
    (text) => {
      expect(parseGraphInfo(text)).toBeNull();
    },
  );
});

test("loading names what it wanted when Redis cannot be reached", async () => {
  const options = { source: { kind: "power-law", nodes: 5, seed: 1 }, address: addressOf("/nowhere.sock") } as const;
  await expect(loadGraph({ ...options, user: NOBODY, force: false, signal: NEVER }, () => {})).rejects.toMatchObject({
    code: "REDIS_UNAVAILABLE",
    message: expect.stringContaining("cannot load power-law graph of 5 nodes, seed 1: connect ENOENT /nowhere.sock"),
  });
});

describe.skipIf(!redisServerExists())("loadGraph into a real server (skipped where there is none)", () => {
  let server: RedisProcess;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis({ path: server.path });
  });
  beforeEach(() => redis.flushall());
  afterAll(async () => {
    redis.disconnect();
    await server.close();
  });

  const load = (
    source: GraphSource,
    user = NOBODY,
    onProgress: (progress: LoadProgress) => void = () => {},
    { signal = NEVER, force = false } = {},
  ) => loadGraph({ source, address: addressOf(server.path), user, force, signal }, onProgress);
  const readInfo = async () => parseGraphInfo(await redis.get(GRAPH_INFO_KEY));

  test("writes nodes, samples and the marker, and shows how far it is", async () => {
    const seen: LoadProgress[] = [];
    const info = await load({ kind: "power-law", nodes: 2_500, seed: 1 }, NOBODY, (progress) => seen.push(progress));

    expect(info).toMatchObject({ nodes: 2_500, state: "loaded", firstId: 1, lastId: 2_500 });
    expect(await readInfo()).toEqual(info);
    expect(await redis.dbsize()).toBe(2_500 + SAMPLES + 1);
    expect(JSON.parse((await redis.get("2500")) ?? "")).toHaveProperty("neigh");
    expect(await redis.get("md5")).toMatch(/^[a-z0-9]{65536}$/);
    expect(JSON.parse((await redis.get("pagerank")) ?? "")).toHaveLength(266);
    const total = 2_500 + SAMPLES;
    expect(seen).toEqual([
      { step: "reading", keys: 0, total: 0 },
      ...[0, 1_000, 2_000].map((keys) => ({ step: "checking", keys, total: total + 1 })),
      ...[0, 1_000, 2_000, total].map((keys) => ({ step: "writing", keys, total })),
    ]);
  });

  test("waits for windows of commands, not for each, be it to write nodes or to take them away", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-graph-"));
    const path = join(folder, "counter.sock");
    const counter = await startTurnCounter(server.path, path);
    try {
      const turnsOf = async (nodes: number): Promise<number> => {
        const before = counter.turns();
        const source: GraphSource = { kind: "power-law", nodes, seed: 1 };
        await loadGraph({ source, address: addressOf(path), user: NOBODY, force: false, signal: NEVER }, () => {});
        return counter.turns() - before;
      };
      // A window may come in pieces, each of which is answered before the next: some turns each, for a thousand commands.
      expect(await turnsOf(20_000)).toBeLessThan(1_000);
      expect(await turnsOf(10)).toBeLessThan(1_000);
      expect(await redis.dbsize()).toBe(10 + SAMPLES + 1);
    } finally {
      counter.close();
      rmSync(folder, { recursive: true });
    }
  });

  test("leaves the same when it is done twice", async () => {
    const dump = async () => {
      const keys = (await redis.keys("*")).toSorted();
      return [keys, await redis.mget(keys)];
    };
    await load({ kind: "power-law", nodes: 500, seed: 1 });
    const once = await dump();
    await load({ kind: "power-law", nodes: 500, seed: 1 });
    expect(await dump()).toEqual(once);
  });

  test("takes the nodes of another graph away, and leaves other keys alone", async () => {
    await redis.set("mine", "1");
    await load({ kind: "power-law", nodes: 1_500, seed: 1 });
    await load({ kind: "power-law", nodes: 10, seed: 1 });
    expect(await redis.dbsize()).toBe(10 + SAMPLES + 1 + 1);
    expect(await redis.get("mine")).toBe("1");
  });

  test.each(["md5", "graph:info", "7"])(
    "overwrites no key %s that no load has written, and writes nothing then, unless told to",
    async (key) => {
      const source: GraphSource = { kind: "power-law", nodes: 10, seed: 1 };
      await redis.set(key, "mine");
      await expect(load(source)).rejects.toMatchObject({
        code: "REQUEST_INVALID",
        message: `loading power-law graph of 10 nodes, seed 1 would overwrite keys that no load has written, such as "${key}"`,
        remedy: expect.stringContaining("--force"),
      });
      expect(await redis.keys("*")).toEqual([key]);
      await load(source, NOBODY, () => {}, { force: true });
      expect(await redis.get(key)).not.toBe("mine");
    },
  );

  test("overwrites what the load before has written, and no key beyond that", async () => {
    await load({ kind: "power-law", nodes: 10, seed: 1 });
    await redis.set("12", "mine");
    await load({ kind: "power-law", nodes: 11, seed: 1 });
    await expect(load({ kind: "power-law", nodes: 12, seed: 1 })).rejects.toThrow('such as "12"');
    expect(await redis.get("12")).toBe("mine");
    expect(await readInfo()).toMatchObject({ nodes: 11, state: "loaded" });
  });

  test("says how far it came when Redis refuses, marks the graph as not whole, and completes it the next time", async () => {
    // A user who may read all nodes, and write all but the last.
    await redis.call(
      "ACL",
      "SETUSER",
      "half",
      "on",
      "nopass",
      "+@all",
      "~graph:info",
      "~md5",
      "~pagerank",
      "~f*",
      "~?",
      "~??",
      "%R~*",
    );
    const source: GraphSource = { kind: "power-law", nodes: 150, seed: 1 };
    await expect(load(source, { username: "half", password: "any" })).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringMatching(/seed 1 stopped while writing, after 0 of \d+ keys: .*load it again/),
    });
    expect(await readInfo()).toMatchObject({ nodes: 150, state: "loading" });

    await load(source);
    expect(await readInfo()).toMatchObject({ nodes: 150, state: "loaded" });
    expect(await redis.exists("150")).toBe(1);
  });

  test("stops where it is interrupted, says how far it came, and marks the graph as not whole", async () => {
    const controller = new AbortController();
    const stopInTheMiddle = ({ step, keys }: LoadProgress): void => {
      if (step === "writing" && keys === 1_000) controller.abort(new LocusError("CANCELLED", "interrupted by a test"));
    };
    const loading = load({ kind: "power-law", nodes: 2_500, seed: 1 }, NOBODY, stopInTheMiddle, controller);
    await expect(loading).rejects.toMatchObject({
      code: "CANCELLED",
      message: expect.stringMatching(/stopped while writing, after 1000 of \d+ keys: interrupted by a test; load it/),
    });
    expect(await readInfo()).toMatchObject({ nodes: 2_500, state: "loading" });
  });

  test("says that it has written nothing where it is interrupted while it reads", async () => {
    const controller = new AbortController();
    const loading = load({ kind: "power-law", nodes: 2_500, seed: 1 }, NOBODY, () => {}, controller);
    controller.abort(new LocusError("CANCELLED", "interrupted by a test"));
    await expect(loading).rejects.toMatchObject({
      code: "CANCELLED",
      message: "no key was written: interrupted by a test",
      remedy: "Load it again.",
    });
    expect(await redis.dbsize()).toBe(0);
  });

  test("writes nothing when the source is bad", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-graph-"));
    try {
      writeFileSync(join(folder, "edges"), "1 2\n3\n");
      await expect(load({ kind: "edges", file: join(folder, "edges") })).rejects.toMatchObject({
        code: "REQUEST_INVALID",
        message: expect.stringContaining("edges:2: expected"),
      });
      await expect(load({ kind: "power-law", nodes: 0.5, seed: 1 })).rejects.toMatchObject({ code: "REQUEST_INVALID" });
      expect(await redis.dbsize()).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
