// A registry of 10,000 functions, which are its most: read in pages, and followed by the mirror of a node that misses no
// change, whatever becomes of its connections and of Redis.

import type { Redis } from "ioredis";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import { FunctionCache } from "#compute/node/function-cache.ts";
import { RedisRegistry } from "#compute/node/redis-registry.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { serversOfTests, startScriptedServer, until } from "./scripted-host.ts";

const FUNCTIONS_MAX = 10_000;
/** Bundles that Redis checks at once. */
const LOADS_MAX = 16;

type Entry = readonly [name: string, version?: string, description?: string];
type Changes = readonly [cursor: string, isWhole: number, hasMore: number, entries: readonly Entry[]];

const load = (client: Redis, bundle: string): Promise<unknown> =>
  client.call("LOCUS.FUNCTION", "LOAD", "REPLACE", bundle);
const remove = (client: Redis, name: string): Promise<unknown> => client.call("LOCUS.FUNCTION", "DELETE", name);
const changesOf = async (client: Redis, cursor: string): Promise<Changes> =>
  (await client.call("LOCUS.FUNCTION", "CHANGES", cursor)) as Changes;
const namesOf = (entries: readonly Entry[]): readonly string[] => entries.map(([name]) => name);

const nameAt = (index: number): string => `f${String(index).padStart(4, "0")}`;

async function loadMany(client: Redis, count: number): Promise<void> {
  for (let at = 0; at < count; at += LOADS_MAX) {
    const indices = Array.from({ length: Math.min(LOADS_MAX, count - at) }, (_, index) => at + index);
    await Promise.all(indices.map((index) => load(client, nameAt(index))));
  }
}

/** All pages of a command that go by name. */
async function allPages(client: Redis, subcommand: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (let after = "", page: readonly string[] = [""]; page.length > 0; after = names.at(-1) ?? "") {
    page = namesOf((await client.call("LOCUS.FUNCTION", subcommand, "AFTER", after)) as Entry[]);
    names.push(...page);
  }
  return names;
}

describe("10,000 functions", () => {
  let server: RedisServer;
  let client: Redis;
  const all = Array.from({ length: FUNCTIONS_MAX }, (_, index) => nameAt(index));
  beforeAll(async () => {
    server = await startScriptedServer();
    client = server.client();
    await remove(client, "script");
    await loadMany(client, FUNCTIONS_MAX);
    return () => server.close();
  });

  test("are the most; one that is there can still be replaced", async () => {
    await expect(load(client, "more")).rejects.toThrow(/^STORAGEREFUSED .*10000 functions/);
    expect(await load(client, `${nameAt(7)} again`)).toEqual([nameAt(7), expect.any(String)]);
  });

  test("are listed by name, page by page, and their statistics as well", async () => {
    expect(await allPages(client, "LIST")).toEqual(all);
    expect(await allPages(client, "STATS")).toEqual(all);
    const page = (await client.call("LOCUS.FUNCTION", "LIST", "LIMIT", "2", "AFTER", nameAt(3))) as Entry[];
    expect(namesOf(page)).toEqual([nameAt(4), nameAt(5)]);
  });

  test("change one at a time for a reader that has read them, and are all there again after a restart", async () => {
    const names = new Set<string>();
    let [cursor, isWhole, hasMore, entries] = await changesOf(client, "0");
    expect([isWhole, hasMore]).toEqual([1, 1]);
    for (const name of namesOf(entries)) names.add(name);
    while (hasMore === 1) {
      [cursor, isWhole, hasMore, entries] = await changesOf(client, cursor);
      expect(isWhole).toBe(0);
      for (const name of namesOf(entries)) names.add(name);
    }
    expect([...names].filter((name) => name !== "script").toSorted()).toEqual(all);
    await load(client, `${nameAt(1)} again`);
    await remove(client, nameAt(2));
    const [next, ...more] = await changesOf(client, cursor);
    expect(more).toEqual([0, 0, [[nameAt(1), expect.any(String), expect.stringContaining(nameAt(1))], [nameAt(2)]]]);
    expect(await changesOf(client, next)).toEqual([next, 0, 0, []]);
    await client.save();
    await server.restart("SIGKILL");
    expect((await changesOf(client, next))[1]).toBe(1);
    expect(await allPages(client, "LIST")).toHaveLength(FUNCTIONS_MAX - 1);
  });
});

describe("a node's mirror", () => {
  const start = serversOfTests();
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  /** What the mirror of a node that reaches this server knows: versions by name. */
  async function mirrorOf(server: RedisServer) {
    const log = { info: vi.fn<() => void>(), warn: vi.fn<() => void>() };
    const address = { host: "127.0.0.1", port: server.port, path: null, tls: false, database: 0 };
    const registry = new RedisRegistry(address, { username: null, password: null }, log);
    closing.push(() => registry.close());
    const mirror = new FunctionCache(registry, 1024);
    await registry.firstAttempt();
    return () => Object.fromEntries(mirror.list().map(({ name, version }) => [name, version]));
  }

  const listed = async (client: Redis): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries(
      ((await client.call("LOCUS.FUNCTION", "LIST")) as string[][]).map(([name, version]) => [name, version]),
    );

  const agrees = (mirror: () => object, client: Redis): Promise<void> =>
    vi.waitFor(async () => expect(mirror()).toEqual(await listed(client)));

  /** Changes of all kinds, none of which the mirror may miss. */
  async function change(client: Redis, mark: string): Promise<void> {
    for (const name of ["a", "b", "c"]) await load(client, `${name} ${mark}`);
    await remove(client, "b");
    await load(client, `only-${mark}`);
  }

  test("follows changes, lost connections, FLUSHALL and restarts that keep or lose functions", async () => {
    const server = await start({ config: [["save", ""]] });
    const client = server.client();
    const mirror = await mirrorOf(server);
    await change(client, "one");
    await agrees(mirror, client);
    await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await client.call("CLIENT", "KILL", "TYPE", "pubsub");
    await change(client, "two");
    await agrees(mirror, client);
    await client.save();
    await change(client, "three");
    await agrees(mirror, client);
    const before = mirror();
    await server.restart("SIGKILL");
    await agrees(mirror, client);
    expect(mirror()).not.toEqual(before);
    await client.flushall();
    await change(client, "four");
    await agrees(mirror, client);
  });

  test("follows a replica that takes over its primary's functions, one by one and all at once", async () => {
    const primary = await start();
    await change(primary.client(), "one");
    const server = await start();
    const client = server.client();
    const mirror = await mirrorOf(server);
    await load(client, "own");
    await agrees(mirror, client);
    await client.replicaof("127.0.0.1", primary.port);
    await until(async () => (await client.info("replication")).includes("master_link_status:up"));
    await agrees(mirror, client);
    expect(mirror()).not.toHaveProperty("own");
    await change(primary.client(), "two");
    await until(async () => "only-two" in (await listed(client)));
    await agrees(mirror, client);
  });
});
