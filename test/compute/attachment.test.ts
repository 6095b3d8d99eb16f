// A real node takes from a real Redis what came there without one: LOCUS.CALL obeys the plan, and whatever becomes of the node, of the
// caller or of Redis, each call has one answer and is run once.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import { readInfo } from "#test/module-info.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { bundleOf, deploy, metric, said } from "./node-client.ts";

const LONG = { timeout: 60_000 };
const brittle = { retryStrategy: () => null, autoResendUnfulfilledCommands: false } as const;

/** Counts each run, then waits until it is released: an invocation that is under way for as long as a test likes. */
const held = bundleOf("held", async ({ redis }) => {
  await redis.incr("runs");
  while ((await redis.get("released")) === null);
  return "ended";
});

const reading = bundleOf("reading", async ({ redis }) => {
  while ((await redis.get("released")) === null);
  return "read";
});

/** Reads, computes for long, in one turn or over many, and goes on, or waits until it is released. */
const digging = bundleOf<{ readonly isPatient: boolean; readonly writesFirst: boolean; readonly waits?: boolean }>(
  "digging",
  async ({ redis, args: { isPatient, writesFirst, waits } }) => {
    let sum = Number(await redis.hget("dug", "a"));
    if (writesFirst) await redis.incr("runs");
    // By count and not by the clock: on a busy machine time passes without computing.
    let mixed = 0;
    for (let step = 0; step < 100; step++) {
      for (let index = 0; index < 2e6; index++) mixed ^= Math.imul(index, mixed + 31);
      if (isPatient) sum += Number(await redis.hget("dug", "b"));
    }
    if (mixed === 0.5) throw new Error(String(sum));
    if (waits === true) while ((await redis.get("released")) === null);
    sum = Number(await redis.hget("dug", "a")) + Number(await redis.hget("dug", "c"));
    if (!writesFirst) await redis.incr("runs");
    return [sum, await redis.hget("dug", "a")];
  },
);

/** Reads field after field, and then computes for long. */
const devouring = bundleOf("devouring", async ({ redis, keys: [key = ""] }) => {
  let length = 0;
  for (let field = 0; field < 20; field++) length += (await redis.hget(key, String(field)))?.length ?? 0;
  let mixed = 0;
  for (let index = 0; index < 2e8; index++) mixed ^= Math.imul(index, mixed + 31);
  if (mixed === 0.5) throw new Error(String(length));
  return [length, (await redis.hget(key, "9"))?.slice(0, 2)];
});

/** More writes than a round may have: the first round leaves in the midst of the turn, and the turn goes on. */
const flooding = bundleOf("flooding", async ({ redis }) => {
  const sent: Promise<number>[] = [];
  for (let index = 0; index < 70_000; index++) sent.push(redis.incr("runs"));
  let mixed = 0;
  for (let index = 0; index < 1e9; index++) mixed ^= Math.imul(index, mixed + 31);
  return Math.max((await Promise.all(sent)).length, Math.sign(mixed));
});

let redis: RedisServer;
let client: Redis;
let node: NodeProcess;
let versions = 0;

const info = async (name: string): Promise<string | undefined> => (await readInfo(client)).get(name);
const comesTo = (name: string, value: string) =>
  vi.waitFor(async () => expect(await info(name)).toBe(value), { ...LONG, interval: 10 });
const place = async (
  state: "compute" | "storage",
  backCpuUs = 0,
  { overflowMin, overflowTimes } = { overflowMin: 0, overflowTimes: 0 },
): Promise<void> => {
  const placement = {
    state,
    share: state === "storage" ? 1 : 0,
    probeEvery: 0,
    backCpuUs,
    overflowMin,
    overflowTimes,
  };
  const names = ["held", "greet", "reading", "digging", "devouring", "flooding"];
  const placements = Object.fromEntries(names.map((name) => [name, placement]));
  const plan = { version: (versions += 1), placements };
  expect(await client.call("LOCUS.PLAN", "SET", JSON.stringify(plan))).toEqual(["taken", versions]);
};
const call = (own: Redis, name: string, ...args: readonly string[]): Promise<string> =>
  own.call("LOCUS.CALL", name, ...(args.length === 0 ? ["0"] : args)).then(String, (error: Error) => error.message);
/** So often Redis has looked into a hash since its counts began. */
const reads = async () => Number(/cmdstat_hget:calls=(\d+)/.exec(await client.info("commandstats"))?.[1]);
/** Resolves when the node is at work on it: an answer that has come already says why it never will be. */
const underWay = async (left: Promise<string>): Promise<void> => {
  let answer: string | null = null;
  void left.then((text) => (answer = text));
  await vi.waitFor(async () => {
    expect(answer).toBeNull();
    expect(await metric(node, "locus_calls_in_flight")).toBe(1);
  }, LONG);
};
const runs = (count: number) =>
  vi.waitFor(async () => expect(await client.get("runs")).toBe(String(count)), { ...LONG, interval: 10 });

beforeAll(async () => {
  redis = await startRedisServer({ config: [["save", "3600", "1"]], moduleArguments: ["take-patience-ms", "60000"] });
  client = redis.client();
  await startNodeOver(redis, (started) => (node = started), {
    LOCUS_PLACEMENT: "declared",
    LOCUS_GRACE_MS: "20000",
  });
  for (const bundle of [held, reading, digging, devouring, flooding]) await deploy(node, bundle);
  await deploy(
    node,
    `export default { kind: "locus.function", name: "greet", async run({ redis, keys, args }) {
      if (args === null) throw new TypeError("nobody");
      return args.greeting + " " + (await redis.get(keys[0]));
    } };`,
  );
  await client.set("who", "Ada");
  await place("compute");
});
afterAll(async () => {
  await node.end("SIGTERM");
  await redis.close();
});
beforeEach(async () => {
  // A node is attached before it speaks for its callers, and gets their calls then.
  await vi.waitUntil(async () => {
    const before = Number(await info("calls_returned"));
    await call(client, "greet", "1", "who", '{"greeting":"Hello"}');
    return Number(await info("calls_returned")) > before;
  }, LONG);
  await client.del("runs", "released");
});

describe("a call of LOCUS.CALL", () => {
  it("has the same reply and the same error from the node as from the storage side", async () => {
    const ask = async () => [
      await call(client, "greet", "1", "who", '{"greeting":"Hello"}'),
      await call(client, "greet", "0"),
    ];
    const returned = Number(await info("calls_returned"));
    const far = await ask();
    expect(await info("calls_returned")).toBe(String(returned + 2));
    expect(far).toEqual(['"Hello Ada"', expect.stringMatching(/^FUNCTIONFAILED TypeError: nobody at run/)]);
    await place("storage");
    expect(await ask()).toEqual(far);
    await place("compute");
    expect(await info("calls_returned")).toBe(String(returned + 2));
  });

  it("goes to the node where many of its kind are here and few calls there", async () => {
    await place("storage", 0, { overflowMin: 2, overflowTimes: 1 });
    const left: Promise<string>[] = [];
    const atNode: number[] = [];
    for (let count = 1; count <= 5; count++) {
      left.push(call(redis.client(), "held"));
      await runs(count);
      atNode.push((await metric(node, "locus_calls_in_flight")) ?? 0);
    }
    // Two are here before one leaves, and one more for each that is there.
    expect(atNode).toEqual([0, 0, 1, 1, 2]);
    await client.set("released", "1");
    expect(await Promise.all(left)).toEqual(left.map(() => '"ended"'));
    // None is in flight any more, at either side: they stay here again.
    await client.del("runs", "released");
    const again = call(redis.client(), "held");
    await runs(1);
    expect(await metric(node, "locus_calls_in_flight")).toBe(0);
    await client.set("released", "1");
    await again;
    await place("compute");
  });

  it("runs at the module for a user or in a database that the node has none of", async () => {
    await client.acl("SETUSER", "other", "on", "nopass", "+@all", "~*");
    const [other, elsewhere] = [redis.client({ username: "other", password: "x" }), redis.client({ db: 1 })];
    const returned = await info("calls_returned");
    expect(await call(other, "greet", "1", "who", '{"greeting":"Hello"}')).toBe('"Hello Ada"');
    expect(await call(elsewhere, "greet", "1", "who", '{"greeting":"Hello"}')).toBe('"Hello null"');
    expect(await info("calls_returned")).toBe(returned);
  });

  it("is cancelled on the node when its caller goes", async () => {
    const caller = redis.client(brittle);
    const left = call(caller, "held");
    await runs(1);
    expect(await metric(node, "locus_calls_in_flight")).toBe(1);
    caller.disconnect();
    expect(await left).toMatch(/closed/);
    await vi.waitFor(async () => expect(await metric(node, "locus_calls_in_flight")).toBe(0), LONG);
  });

  it("fails, and is not run again, when the node dies with it", async () => {
    const lost = call(redis.client(), "held");
    await runs(1);
    await node.end("SIGKILL");
    expect(await lost).toMatch(/^SANDBOXDIED the node \w+ was lost while it ran held/);
    expect(await client.get("runs")).toBe("1");
    await client.set("released", "1");
    expect(await call(client, "held")).toBe('"ended"');
    await node.startAgain();
    await node.ready();
  });

  it("is run again, unseen, when the node dies with it before it wrote", async () => {
    const unseen = call(redis.client(), "reading");
    await underWay(unseen);
    await node.end("SIGKILL");
    await comesTo("calls_run_again_after_node", "1");
    await client.set("released", "1");
    expect(await unseen).toBe('"read"');
    await node.startAgain();
    await node.ready();
  });

  it("is pushed back to the node when it computes for longer than the plan allows, and reads nothing twice", async () => {
    await client.hset("dug", { a: 1, b: 2, c: 4 });
    await place("storage", 20_000);
    const [returned, back] = [Number(await info("calls_returned")), Number(await info("calls_pushed_back"))];
    await client.config("RESETSTAT");
    expect(await call(client, "digging", "0", '{"isPatient":false,"writesFirst":false}')).toBe('[5,"1"]');
    expect(await reads()).toBe(4);
    expect(await client.get("runs")).toBe("1");
    expect(await call(client, "digging", "0", '{"isPatient":true,"writesFirst":false}')).toBe('[5,"1"]');
    expect(await client.get("runs")).toBe("2");
    expect(await info("calls_pushed_back")).toBe(String(back + 2));
    // Not what has written: it stays.
    expect(await call(client, "digging", "0", '{"isPatient":false,"writesFirst":true}')).toBe('[5,"1"]');
    expect(await info("calls_pushed_back")).toBe(String(back + 2));
    expect(await info("calls_returned")).toBe(String(returned + 2));
    expect(await client.get("runs")).toBe("3");
    await place("compute");
  });

  it.each([
    // 280 KiB, of which 256 are kept: the last two once more.
    { what: "much", key: "much", bytesOf: () => 14 * 1024, again: 2 },
    // More than is kept of one round: from there on all.
    { what: "much at once", key: "much", bytesOf: (field: number) => (field === 2 ? 30 * 1024 : 100), again: 18 },
    // The same of what it sends.
    { what: "by long names", key: "much".padEnd(20 * 1024, "x"), bytesOf: () => 100, again: 20 },
  ])("is pushed back whatever it has read, and reads again what was too much to be kept: $what", async (of) => {
    const fields = Array.from({ length: 20 }, (_, field) => field);
    const texts = fields.map((field) => [String(field), `${field}:`.padEnd(of.bytesOf(field), "x")] as const);
    await client.hset(of.key, Object.fromEntries(texts));
    const there = await call(client, "devouring", "1", of.key);
    expect(there).toBe(`[${texts.reduce((sum, [, text]) => sum + text.length, 0)},"9:"]`);
    await place("storage", 20_000);
    const back = Number(await info("calls_pushed_back"));
    await client.config("RESETSTAT");
    expect(await call(client, "devouring", "1", of.key)).toBe(there);
    expect(await info("calls_pushed_back")).toBe(String(back + 1));
    // And the one after its computing.
    expect(await reads()).toBe(20 + of.again + 1);
    await place("compute");
  });

  it("is run again here, and to its end, when the node that it was pushed back to dies with it before it wrote", async () => {
    await client.hset("dug", { a: 1, b: 2, c: 4 });
    await place("storage", 20_000);
    const counters = async () => {
      const all = await readInfo(client);
      return ["calls_pushed_back", "calls_run_again_after_node", "calls_lost_with_node"].map((name) =>
        Number(all.get(name)),
      );
    };
    const [back, again, lost] = (await counters()) as [number, number, number];
    const unseen = call(redis.client(), "digging", "0", '{"isPatient":false,"writesFirst":false,"waits":true}');
    await underWay(unseen);
    await node.end("SIGKILL");
    await comesTo("calls_run_again_after_node", String(again + 1));
    await client.set("released", "1");
    expect(await unseen).toBe('[5,"1"]');
    expect(await client.get("runs")).toBe("1");
    expect(await counters()).toEqual([back + 1, again + 1, lost]);
    await place("compute");
    await node.startAgain();
    await node.ready();
  });

  it("is not pushed back when it has sent a write, also in the turn that is too long", async () => {
    await place("storage", 400_000);
    const back = await info("calls_pushed_back");
    expect(await call(client, "flooding")).toBe("70000");
    const [[, used] = []] = (await client.call("LOCUS.FUNCTION", "STATS", "flooding")) as string[][];
    expect(JSON.parse(used!)).toMatchObject({ calls: 1, cpuUs: expect.toSatisfy((cpuUs: number) => cpuUs > 400_000) });
    expect(await client.get("runs")).toBe("70000");
    expect(await info("calls_pushed_back")).toBe(back);
    await place("compute");
  });

  it("is finished by a node that is told to stop, and later ones run at the module", async () => {
    const slow = call(redis.client(), "held");
    await runs(1);
    const ended = node.end("SIGTERM");
    await vi.waitFor(() => expect(said(node)).toContain("stopping"), LONG);
    const here = call(redis.client(), "held");
    await runs(2);
    await client.set("released", "1");
    expect(await Promise.all([slow, here])).toEqual(['"ended"', '"ended"']);
    await ended;
    expect(await node.ended).toBe(0);
    await comesTo("nodes_attached", "0");
    expect(await info("calls_lost_with_node")).toBe("1");
    await node.startAgain();
    await node.ready();
  });

  it("comes to the node again when Redis was away", async () => {
    await redis.restart();
    await comesTo("nodes_attached", "1");
    versions = 0;
    await place("compute");
    await vi.waitFor(async () => {
      expect(await call(client, "greet", "1", "who", '{"greeting":"Again"}')).toBe('"Again Ada"');
      expect(await info("calls_returned")).toBe("1");
    }, LONG);
  });
});
