// The functions that come with locus give the same results and leave the same keys beside the data, on the compute side, and in plain
// Node with ioredis, as `redisclient` runs them.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadGraph } from "#compute/cli/load/load.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";
import type { FunctionDefinition, Invocation } from "#runtime/function/define.ts";
import { type RedisServer, startRedisServer } from "../redis-server.ts";
import { SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

const FUNCTIONS = join(import.meta.dirname, "../../functions");
/** Of each call, ms: on a busy machine some take longer than they may by themselves. */
const PATIENCE_MS = 60_000;

interface Call {
  readonly args?: unknown;
  readonly keys?: readonly string[];
}

interface Sample {
  /** In this order, over one graph with its samples. */
  readonly calls: readonly Call[];
  /** The keys that it changes. */
  readonly writes?: readonly string[];
  /** What no two runs have in common, in the values that it writes. */
  readonly lots?: RegExp;
}

const ann = { user: "ann", password: "correct horse", iterations: 10 };

/** Calls of each: usual ones, such as find nothing, and such as Redis refuses. */
const SAMPLES: Readonly<Record<string, Sample>> = {
  aggregate: { calls: [{ args: { nodeId: "1" } }, { args: { nodeId: "nobody" } }] },
  chain: {
    calls: [{ args: { nodeId: "7" } }, { args: { nodeId: "7", reads: 50, computeUs: 20 } }, { args: { nodeId: "x" } }],
  },
  empty: { calls: [{}] },
  "hash-password": {
    calls: [
      { args: { ...ann, action: "create" } },
      { args: { ...ann, action: "verify" } },
      { args: { ...ann, action: "verify", password: "battery" } },
    ],
    writes: ["password:ann"],
    lots: /(?<=\$i=10\$)[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
  },
  khop: {
    calls: [{ args: { nodeId: "1" } }, { args: { nodeId: "150", depth: 5 } }, { args: { nodeId: "nobody", depth: 5 } }],
  },
  md5: { calls: [{}, { keys: ["1"] }, { keys: ["nothing"] }] },
  pagerank: { calls: [{}, { keys: ["nothing"] }, { keys: ["md5"] }] },
  project: { calls: [{}, { args: { bytes: 100 }, keys: ["3"] }, { keys: ["nothing"] }] },
  score: { calls: [{ args: { nodeId: "3" } }, { args: { nodeId: "260" } }] },
  sha256: { calls: [{}, { keys: ["md5"] }, { keys: ["nothing"] }] },
  sieve: { calls: [{}, { args: { below: 1_000 } }] },
  tao: {
    calls: [
      { args: { nodeId: "1", read: "object" } },
      { args: { nodeId: "1", read: "link", to: "2" } },
      { args: { nodeId: "1", read: "count" } },
      { args: { nodeId: "1" } },
      { args: { nodeId: "nobody", limit: 9 } },
    ],
  },
  "top-k": {
    calls: [
      { args: { nodeId: "5" } },
      { args: { nodeId: "7", points: 0.1, k: 1 }, keys: ["board"] },
      { args: { nodeId: "5", points: 0.2 } },
      { args: { nodeId: "5" }, keys: ["md5"] },
    ],
    writes: ["board", "top-k"],
  },
};

/** Runs a call of a function and gives its result, or the error as text. */
type Run = (call: Call) => Promise<unknown>;

/** A place where functions run, and the data that they see there. */
interface Place {
  readonly redis: Redis;
  readonly deploy: (file: string) => Promise<Run>;
}

/** The function's bundle, with time enough. */
async function patientBundleOf(file: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "locus-sample-"));
  try {
    const patient = join(folder, basename(file));
    const limits = `{ ...given.limits, deadlineMs: ${PATIENCE_MS}, cpuMs: ${PATIENCE_MS} }`;
    writeFileSync(
      patient,
      `import given from ${JSON.stringify(file)};\nexport default { ...given, limits: ${limits} };\n`,
    );
    return Buffer.from(await bundleFunction(patient)).toString();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function onSide(side: TestSide): Place {
  return {
    redis: side.redis!,
    async deploy(file) {
      const { outcome } = await side.deploy(await patientBundleOf(file));
      return async (call) => {
        const ended = await outcome(call);
        return ended.ok ? { result: JSON.parse(ended.resultJson) as unknown } : { error: ended.error.message };
      };
    },
  };
}

function inPlainNode(server: RedisServer): Place {
  const client = server.client();
  const redis = client as unknown as Invocation["redis"];
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  return {
    redis: server.client(),
    async deploy(file) {
      const { default: definition } = (await import(file)) as { readonly default: FunctionDefinition };
      return async ({ args = null, keys = [] }) => {
        try {
          const result = (await definition.run({ redis, args, keys, log })) ?? null;
          return { result: JSON.parse(JSON.stringify(result)) as unknown };
        } catch (error) {
          return { error: String(error) };
        }
      };
    },
  };
}

/** Every key with its value, as a client reads text and as DUMP has all else, and with how long it has to live. */
async function keyspaceOf(redis: Redis): Promise<ReadonlyMap<string, string>> {
  const read = async (key: string): Promise<string> => {
    const type = await redis.type(key);
    const value = type === "string" ? await redis.getBuffer(key) : await redis.dumpBuffer(key);
    return `${type}, ${await redis.pttl(key)}: ${value?.toString("latin1")}`;
  };
  const keys = (await redis.keys("*")).toSorted();
  return new Map(await Promise.all(keys.map(async (key) => [key, await read(key)] as const)));
}

/** What is there now and was not so before, or was there and is not. */
function changesOf(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>, lots: RegExp | undefined) {
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));
  return Object.fromEntries(
    changed.map((key) => [key, lots === undefined ? after.get(key) : after.get(key)?.replace(lots, "…")]),
  );
}

describe("a function that comes with locus", () => {
  const closing: (() => Promise<void>)[] = [];
  const places = new Map<string, Place>();
  beforeAll(async () => {
    const server = await startRedisServer({ moduleArguments: null });
    closing.push(() => server.close());
    places.set("plain Node", inPlainNode(server));
    for (const name of SIDE_NAMES) {
      if (name === "memory") continue;
      const side = await startSide(name);
      closing.push(() => side.close());
      places.set(name, onSide(side));
    }
    for (const { redis } of places.values()) {
      const { path } = redis.options;
      await loadGraph(
        {
          source: { kind: "power-law", nodes: 200, seed: 1 },
          address: { host: "", port: 0, path: path!, tls: false, database: 0 },
          user: { username: null, password: null },
          force: false,
          signal: new AbortController().signal,
        },
        () => {},
      );
    }
  });
  afterAll(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it("has calls here", () => {
    const files = readdirSync(FUNCTIONS).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
    expect(Object.keys(SAMPLES).toSorted()).toEqual(files.map((file) => basename(file, ".ts")).toSorted());
  });

  it.each(Object.entries(SAMPLES))("gives the same and leaves the same everywhere: %s", async (name, sample) => {
    const seen = new Map<string, unknown>();
    for (const [place, { deploy, redis }] of places) {
      const run = await deploy(join(FUNCTIONS, `${name}.ts`));
      const before = await keyspaceOf(redis);
      const answers = [];
      for (const call of sample.calls) answers.push(await run(call));
      seen.set(place, { answers, changes: changesOf(before, await keyspaceOf(redis), sample.lots) });
    }
    type Seen = { readonly answers: readonly object[]; readonly changes: object };
    const [[, expected], ...others] = [...seen] as [[string, Seen], ...[string, unknown][]];
    expect(expected.answers[0]).toHaveProperty("result");
    expect(Object.keys(expected.changes).toSorted()).toEqual(sample.writes ?? []);
    expect(others).toEqual(others.map(([place]) => [place, expected]));
  });
});
