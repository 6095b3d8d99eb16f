// What calls are at, on both sides: counted while they are under way, and told of one call when it has ended.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import type { TraceStep } from "#compute/node/trace.ts";
import { readInfo } from "#test/module-info.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { PATIENT } from "#test/patient-limits.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { runTool } from "#test/tool.ts";
import { deploy } from "./node-client.ts";

const LONG = { timeout: 60_000, interval: 5 };
const SIDES = ["storage", "compute"] as const;
type Side = (typeof SIDES)[number];
const TRACE_PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const bundle = (name: string, body: string, top = ""): string =>
  `${top} export default { kind: "locus.function", name: "${name}", limits: ${JSON.stringify({ ...PATIENT, concurrency: 1 })}, async run({ redis, log }) { ${body} } };`;
const SPIN = `for (const end = Date.now() + 1500; Date.now() < end;);`;
const BUNDLES = [
  bundle("quick", `log.info("heard"); return await redis.get("a");`),
  bundle("failing", `throw new Error("no");`),
  bundle(
    "sleeping",
    `while ((await redis.get("released")) === null) await new Promise((done) => setTimeout(done, 100));`,
  ),
  bundle("spinning", SPIN),
];

let redis: RedisServer;
let client: Redis;
let node: NodeProcess;

beforeAll(async () => {
  redis = await startRedisServer();
  client = redis.client();
  await startNodeOver(redis, (started) => (node = started), { LOCUS_PLACEMENT: "declared" });
  for (const one of BUNDLES) await deploy(node, one);
});
afterAll(async () => {
  await node.end("SIGTERM");
  await redis.close();
});
beforeEach(async () => {
  await client.del("released");
});

const call = (name: string, side: Side, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(`${node.url}/v1/functions/${name}/invocations?side=${side}`, { method: "POST", headers });

/** How many calls are in a state, or ended in it, as the side tells it. */
const count = async (side: Side, state: string): Promise<number> => {
  if (side === "storage") return Number((await readInfo(client)).get(`calls_${state}`));
  const text = await (await fetch(`${node.url}/metrics`)).text();
  return Number(new RegExp(`^locus_invocations(?:_ended_total)?\\{state="${state}"\\} (\\d+)$`, "m").exec(text)?.[1]);
};
const comesTo = (side: Side, state: string, expected: number) =>
  vi.waitFor(async () => expect(await count(side, state)).toBe(expected), LONG);
/** That a call is seen in a state before it ends. Whoever got no core to look meanwhile looks at another one. */
const isSeen = (side: Side, state: string, callOne: () => Promise<Response>) =>
  vi.waitFor(async () => {
    const called = callOne();
    const over = called.then(() => true);
    let seen = 0;
    do seen = await count(side, state);
    while (seen === 0 && !(await Promise.race([over, Promise.resolve(false)])));
    expect(await called).toMatchObject({ status: 200 });
    expect(seen).toBe(1);
  }, LONG);

describe.each(SIDES)("at %s", (side) => {
  it("calls are counted as queued, starting, running and waiting", async () => {
    let slow = 0;
    await isSeen(side, "starting", async () => {
      // Each is loaded once.
      await deploy(node, bundle(`slow-${side}-${(slow += 1)}`, ``, SPIN));
      return call(`slow-${side}-${slow}`, side);
    });
    await isSeen(side, "running", () => call("spinning", side));
    // Of one function there are as many isolates as there are cores, and each of these takes one call.
    const waiting = Array.from({ length: 65 }, () => call("sleeping", side));
    await vi.waitFor(async () => {
      expect(await count(side, "waiting")).toBeGreaterThan(0);
      expect(await count(side, "queued")).toBeGreaterThan(0);
    }, LONG);
    await client.set("released", "1");
    for (const reply of waiting) expect((await reply).status).toBe(200);
    for (const state of ["queued", "starting", "running", "waiting"]) await comesTo(side, state, 0);
  });

  it("those that ended are counted as done or failed", async () => {
    const [done, failed] = [await count(side, "done"), await count(side, "failed")];
    for (const name of ["quick", "quick", "failing"]) await (await call(name, side)).arrayBuffer();
    expect([await count(side, "done"), await count(side, "failed")]).toEqual([done + 2, failed + 1]);
  });

  it("a call tells what it was at, in order and within its time, and the first of a function that it was starting", async () => {
    const bundleOfNew = bundle(`new-${side}`, `return await redis.get("a");`);
    expect((await deploy(node, bundleOfNew)).status).toBe(201);
    const reply = await call(`new-${side}`, side, { "x-locus-trace": "1" });
    const steps = JSON.parse(reply.headers.get("x-locus-trace") ?? "") as readonly TraceStep[];
    const states = steps.map(({ state }) => state).filter((state) => state !== "queued");
    expect(states).toEqual(["starting", "running", "waiting", "done"]);
    expect(new Set(steps.map((step) => step.side))).toEqual(new Set([side]));
    const times = steps.flatMap(({ atUs = [] }) => atUs);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
    const altogether = steps.reduce((sum, { forUs = 0 }) => sum + forUs, 0);
    expect(altogether).toBeLessThanOrEqual(times.at(-1)! + steps.length);
  });

  it("lines of a function's log, and the call's id, begin with its caller's trace", async () => {
    const reply = await call("quick", side, { traceparent: TRACE_PARENT });
    const id = reply.headers.get("x-locus-invocation") ?? "";
    expect(id).toMatch(/^4bf92f3577b34da6a3ce929d0e0e4736-/);
    const lines = await (await fetch(`${node.url}/v1/logs?source=quick`)).text();
    expect(lines).toContain(`"invocation":"${id}"`);
  });

  it("the command line prints what a call was at", async () => {
    const { stderr } = await runTool("locus", ["call", "quick", "--side", side, "--trace"], { LOCUS_URL: node.url });
    expect(stderr).toMatch(new RegExp(`^running +at ${side}, from [\\d.]+ [mµ]?s, for [\\d.]+ [mµ]?s$`, "m"));
    expect(stderr).toMatch(new RegExp(`^done +at ${side}, from [\\d.]+ [mµ]?s$`, "m"));
    const json = await runTool("locus", ["call", "quick", "--side", side, "--trace", "--json"], {
      LOCUS_URL: node.url,
    });
    expect(JSON.parse(json.stdout)).toMatchObject({
      trace: expect.arrayContaining([expect.objectContaining({ state: "done" })]) as unknown,
    });
  });
});
