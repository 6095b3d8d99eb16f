// Placement over a real Redis and two real nodes: a function moves to its data by measurement, all nodes follow one plan, people have
// their say, and whoever decides may die.

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { TraceStep } from "#compute/node/trace.ts";
import type { PlacementOverview, PlacementSummary } from "#compute/placement/answers.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { POOLS } from "#runtime/placement/pool-use.ts";
import { startDelayProxy } from "#bench/placement/delay-proxy.ts";
import { readInfo } from "#test/module-info.ts";
import { NodeProcess } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { runTool } from "#test/tool.ts";
import { bundleOf, deploy, logged, metric, said } from "./node-client.ts";

const LONG = { timeout: 60_000 };

interface Plan {
  readonly placements: Readonly<Record<string, { readonly share: number }>>;
}

/** Between the nodes and Redis: so far that what walks belongs to its data however busy this machine is. */
const ROUND_TRIP_US = 2_000;
/** Sixty-four round trips at compute, a look into memory each at storage. */
const walk = bundleOf("walk", async ({ redis }) => {
  for (let step = 0; step < 64; step++) await redis.get("nothing");
});
/** The same, and so many turns of computing before its last look. */
const digging = bundleOf<number>("digging", async ({ redis, args }) => {
  for (let step = 0; step < 64; step++) await redis.zscore("nothing", String(step));
  let mixed = 1;
  for (let turn = 0; turn < args; turn++) mixed = (mixed * 31 + turn) % 1_000_003;
  return [mixed, await redis.get("dug")];
});
/** Under way for as long as a test likes. */
const looking = bundleOf("looking", async ({ redis }) => {
  while ((await redis.get("found")) === null) await new Promise((resolve) => setTimeout(resolve, 5));
  return "found";
});
const idle = bundleOf("idle", () => 1);
const direct = bundleOf("direct", ({ redis }) => redis.get("nothing"));
const counting = bundleOf("counting", ({ redis }) => redis.incr("counted"));

let redis: RedisServer;
let nodes: NodeProcess[];
let port: number;
const resources = new AsyncDisposableStack();
const settingsOf = (): Record<string, string> => ({
  LOCUS_REDIS_HOST: "127.0.0.1",
  LOCUS_REDIS_PORT: String(port),
});
const startNode = async (name: string, settings: Record<string, string> = {}): Promise<NodeProcess> => {
  const node = await NodeProcess.start({
    settings: { ...settingsOf(), ...settings },
    logPath: join(redis.directory, `${name}.log`),
  });
  await node.ready();
  return node;
};
beforeAll(async () => {
  redis = await startRedisServer();
  port = await startDelayProxy(redis.port, ROUND_TRIP_US, resources);
  nodes = [await startNode("one"), await startNode("two")];
  for (const bundle of [walk, idle, direct]) await deploy(nodes[0]!, bundle);
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.end("SIGTERM")));
  await resources.disposeAsync();
  await redis.close();
});

const ask = async (node: NodeProcess, path: string, method = "GET", body?: unknown) => {
  const response = await fetch(`${node.url}/v1/placement${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  return { status: response.status, body: response.status === 204 ? null : await response.json() };
};
const overview = async (node: NodeProcess) => (await ask(node, "")).body as PlacementOverview;
const explain = async (node: NodeProcess, name: string) => (await ask(node, `/${name}`)).body as PlacementSummary;
/** Nobody asks for a side. */
const invoke = async ({ url }: NodeProcess, name: string, args: unknown): Promise<Response> => {
  const body = JSON.stringify(args);
  const headers = { "content-type": "application/json", "x-locus-trace": "1" };
  const response = await fetch(`${url}/v1/functions/${name}/invocations`, { method: "POST", body, headers });
  expect(response.status).toBe(200);
  return response;
};
/** Where it ran, and why there, and what came of it. */
const answer = async (
  node: NodeProcess,
  name: string,
  args: unknown = null,
): Promise<readonly [side: string | null, reason: string | null, result: unknown]> => {
  const response = await invoke(node, name, args);
  return [response.headers.get("x-locus-side"), response.headers.get("x-locus-reason"), await response.json()];
};
const lifeOf = async (node: NodeProcess, name: string, args: unknown): Promise<readonly TraceStep[]> =>
  JSON.parse((await invoke(node, name, args)).headers.get("x-locus-trace") ?? "") as readonly TraceStep[];
const call = async (node: NodeProcess, name: string): Promise<readonly [string | null, string | null]> => {
  const [side, reason] = await answer(node, name);
  return [side, reason];
};
/** The one that decides. For a moment none may, where a machine stands still for longer than its lease. */
const decider = (): Promise<NodeProcess> =>
  vi.waitFor(async () => {
    const controls = await Promise.all(nodes.map((node) => metric(node, "locus_placement_controls")));
    const deciding = nodes.filter((_node, index) => controls[index] === 1);
    expect(deciding).toHaveLength(1);
    return deciding[0]!;
  }, LONG);
const serverMs = async (client: Redis): Promise<number> => {
  const [seconds, us] = await client.time();
  return Number(seconds) * 1e3 + Number(us) / 1e3;
};
const callUntil = (node: NodeProcess, name: string, place: readonly [string, string]) =>
  vi.waitFor(async () => expect(await call(node, name)).toEqual(place), { ...LONG, interval: 5 });

describe("placement", () => {
  it("moves a function to its data when its calls are known, and says why on every node", async () => {
    await callUntil(nodes[0]!, "walk", ["storage", "plan"]);
    await callUntil(nodes[1]!, "walk", ["storage", "plan"]);
    for (const node of nodes) {
      expect(await explain(node, "walk")).toMatchObject({
        function: "walk",
        share: 1,
        demand: { operations: 64, rounds: 64 },
        difference: { sum: expect.any(Number) },
        standing: { kind: expect.any(String) },
        // What it says beyond that depends on what else the machine does.
        reason: expect.stringMatching(/^A call takes .* at storage.* and .* at compute.*\. .*\.$/),
      });
    }
    const { transitions } = await explain(nodes[1]!, "walk");
    expect(transitions?.some(({ why }) => why.kind === "latency" || why.kind === "capacity")).toBe(true);
    const all = await overview(nodes[1]!);
    expect(all.functions.map((one) => one.function)).toEqual(["direct", "idle", "walk"]);
    await vi.waitFor(async () => {
      await call(nodes[0]!, "walk");
      expect((await overview(nodes[1]!)).regret).toBeLessThan(0.5);
    }, LONG);
    expect(all.decidedMs).toBeGreaterThan(0);
    expect(all.functions.at(-1)?.callsPerSecond).toBeGreaterThan(0);
    await decider();
  });

  it("whoever decides has measured what moving and computing cost here, and says how long that took", async () => {
    const deciding = await decider();
    await vi.waitFor(() => expect(said(deciding)).toContain("calibrated"), LONG);
    const calibrated = logged(deciding).find(({ msg }) => msg === "calibrated");
    // That it ends within a second by itself: shared-time.test.ts. A machine that has no core for it holds it up.
    expect(calibrated).toMatchObject({ tookMs: expect.toSatisfy((ms: number) => ms > 0) });
    const { constants } = await overview(nodes[1]!);
    expect(constants).not.toEqual(DEFAULT_CONSTANTS);
    for (const group of Object.values(constants ?? {}) as object[]) {
      for (const value of Object.values(group) as unknown[]) expect(value).toBeGreaterThanOrEqual(0);
    }
  });

  it("metrics tell the shares on every node, and what they are decided from where they are", async () => {
    const deciding = await decider();
    for (const node of nodes) {
      const text = await (await fetch(`${node.url}/metrics`)).text();
      expect(text).toContain('locus_placement_share{function="walk"} 1\n');
      for (const line of [
        /^locus_placement_moves_total\{function="walk"\} 1$/m,
        /^locus_placement_reverts_total\{function="walk"\} 0$/m,
        /^locus_placement_trials_total\{function="walk"\} \d+$/m,
        /^locus_placement_visit_cost\{function="walk"\} [\d.e-]+$/m,
        /^locus_placement_prediction_error\{function="walk",side="storage"\} /m,
        /^locus_placement_regret [\d.e-]+$/m,
        ...POOLS.map((pool) => new RegExp(`^locus_placement_utilisation\\{pool="${pool}"\\} [\\d.e-]+$`, "m")),
      ]) {
        expect([line, line.test(text)]).toEqual([line, node === deciding]);
      }
    }
  });

  it("a caller who asks for a side has it, whatever the plan", async () => {
    const { headers } = await fetch(`${nodes[0]!.url}/v1/functions/walk/invocations?side=compute`, { method: "POST" });
    expect([headers.get("x-locus-side"), headers.get("x-locus-reason")]).toEqual(["compute", "asked"]);
  });

  it("calls that come straight to Redis count as well, and the module is told the plan", async () => {
    const client = redis.client();
    // So that the module runs them itself: of those that it hands to a node that tells.
    await ask(nodes[0]!, "/direct", "PUT", { pin: "storage" });
    const handed = async () => Number((await readInfo(client)).get("calls_handed"));
    await vi.waitFor(async () => {
      const before = await handed();
      for (let at = 0; at < 10; at++) await client.call("LOCUS.CALL", "direct", "0");
      expect(await handed()).toBe(before);
    }, LONG);
    await vi.waitFor(async () => {
      expect((await explain(nodes[0]!, "direct")).sides?.storage.calls ?? 0).toBeGreaterThan(8);
    }, LONG);
    await ask(nodes[0]!, "/direct", "DELETE");
    await vi.waitFor(async () => {
      const plan = JSON.parse(String(await client.call("LOCUS.PLAN", "GET"))) as Plan & { readonly version: number };
      const { planVersion, functions } = await overview(nodes[1]!);
      expect(plan.version).toBe(planVersion);
      expect(plan.placements["walk"]?.share).toBe(functions.find((one) => one.function === "walk")?.share);
    }, LONG);
  });

  it("people pin a function on any node, for all of them, and free it again", async () => {
    const [one, other] = nodes as [NodeProcess, NodeProcess];
    expect(await ask(other, "/walk", "PUT", { pin: "compute", weight: 2, p99UnderMs: 5 })).toMatchObject({
      status: 200,
      body: { function: "walk", pin: 0, weight: 2, p99UnderMs: 5 },
    });
    // Who decides has it in µs, as all times.
    expect(await redis.client().hget("locus:placement:rules", "walk:p99UnderUs")).toBe("5000");
    expect(await ask(one, "/walk", "PUT", { p99UnderMs: null })).toMatchObject({
      body: { weight: 2, p99UnderMs: null },
    });
    for (const node of nodes) await callUntil(node, "walk", ["compute", "plan"]);
    expect(await explain(one, "walk")).toMatchObject({ state: "pinned", share: 0, rules: { weight: 2 } });
    expect(await ask(one, "/walk", "PUT", { pin: null })).toMatchObject({ body: { pin: null, weight: 2 } });
    expect(await ask(one, "/walk", "PUT", { weight: null })).toMatchObject({ body: { pin: null, weight: 1 } });
    expect(await ask(one, "/walk", "PUT", { weight: 2 })).toMatchObject({ body: { weight: 2 } });
    await callUntil(other, "walk", ["storage", "plan"]);
    expect((await ask(one, "/walk", "DELETE")).status).toBe(204);
    await vi.waitFor(async () => expect(await explain(one, "walk")).toMatchObject({ rules: { weight: 1 } }), LONG);
  });

  it("no call is dropped or run twice while its function moves to and fro", async () => {
    await deploy(nodes[0]!, counting);
    const answers: (readonly [number, unknown])[] = [];
    const ranAt = new Set<string | null>();
    const over = new AbortController();
    const overHttp = Array.from({ length: 12 }, async (_, caller) => {
      while (!over.signal.aborted) {
        const { url } = nodes[caller % nodes.length]!;
        const response = await fetch(`${url}/v1/functions/counting/invocations`, { method: "POST" });
        ranAt.add(response.headers.get("x-locus-side"));
        answers.push([response.status, await response.json()]);
      }
    });
    // Of these the module chooses the side by the same plan, and hands those of the compute side to nodes.
    const client = redis.client();
    const handed = async () => Number((await readInfo(client)).get("calls_handed"));
    const handedBefore = await handed();
    const overRedis = Array.from({ length: 4 }, async () => {
      const own = redis.client();
      while (!over.signal.aborted) {
        const answer = await own.call("LOCUS.CALL", "counting", 0).catch((error: Error) => error);
        answers.push(answer instanceof Error ? [500, answer.message] : [200, Number(answer)]);
      }
    });
    try {
      // As often as that, and until both have come to know of it.
      const isKnown = async (): Promise<boolean> => ranAt.size === 2 && (await handed()) > handedBefore;
      const untilMs = performance.now() + LONG.timeout;
      for (let flip = 0; flip < 48 || (!(await isKnown()) && performance.now() < untilMs); flip++) {
        // Pinned to the one side, to the other, and free.
        const said =
          flip % 3 === 2
            ? ask(nodes[0]!, "/counting", "DELETE")
            : ask(nodes[0]!, "/counting", "PUT", { pin: flip % 3 });
        expect((await said).status).toBeLessThan(300);
        await pause(50);
      }
    } finally {
      over.abort();
      await Promise.all([...overHttp, ...overRedis]);
    }
    expect(ranAt).toEqual(new Set(["compute", "storage"]));
    expect(await handed()).toBeGreaterThan(handedBefore);
    expect(answers.filter(([status]) => status !== 200)).toEqual([]);
    expect(new Set(answers.map(([, count]) => count)).size).toBe(answers.length);
    expect(await client.get("counted")).toBe(String(answers.length));
    await fetch(`${nodes[0]!.url}/v1/functions/counting`, { method: "DELETE" });
  });

  it("a call at storage that computes far longer than others is ended there, and its caller has the answer of compute, for which nothing is read twice", async () => {
    const [, node] = nodes as [NodeProcess, NodeProcess];
    const client = redis.client();
    await client.set("dug", "deep");
    await deploy(node, digging);
    /** So often Redis has looked into a sorted set. Nobody else does. */
    const reads = async () => Number(/cmdstat_zscore:calls=(\d+)/.exec(await client.info("commandstats"))?.[1] ?? 0);
    // One that is a visit, or comes while something is tried, is not where the plan has it: it is one of many then, which say what is usual.
    await vi.waitFor(async () => {
      for (let usual = 0; usual < 100; usual++) await call(node, "digging");
      await callUntil(node, "digging", ["storage", "plan"]);
      const before = await reads();
      expect(await call(node, "digging")).toEqual(["storage", "plan"]);
      const usual = await reads();
      expect(usual - before).toBe(64);
      const expected = ["compute", "pushed-back", [expect.any(Number), "deep"]];
      expect(await answer(node, "digging", 1e8)).toEqual(expected);
      expect((await reads()) - usual).toBeLessThanOrEqual(usual - before);
    }, LONG);
    // Its life tells of both runs, and that the second began when the first was stopped.
    await vi.waitFor(async () => {
      for (let usual = 0; usual < 100; usual++) await call(node, "digging");
      const steps = await lifeOf(node, "digging", 1e8);
      const lives = steps
        .map(({ state, side }) => `${state} at ${side}`)
        .filter((life) => /^(run|push|done)/.test(life));
      expect(lives).toEqual(["running at storage", "pushed-back at storage", "running at compute", "done at compute"]);
      const times = steps.flatMap(({ atUs = [] }) => atUs);
      expect(times).toEqual(times.toSorted((one, other) => one - other));
    }, LONG);
    const text = await (await fetch(`${node.url}/metrics`)).text();
    expect(text).toMatch(/^locus_calls_pushed_back_total\{function="digging"\} [1-9]/m);
    expect(text).toMatch(/^locus_invocations_ended_total\{state="pushed-back"\} [1-9]/m);
    // One that came to Redis is in the metrics of the node that decides, and of no other.
    const pushedBack = async () => Number((await readInfo(client)).get("calls_pushed_back"));
    await vi.waitFor(async () => {
      for (let usual = 0; usual < 100; usual++) await call(node, "digging");
      const before = await pushedBack();
      expect(await client.call("LOCUS.CALL", "digging", "0", "100000000")).toMatch(/^\[\d+,"deep"\]$/);
      expect(await pushedBack()).toBe(before + 1);
    }, LONG);
    const ended = 'locus_storage_invocations_ended_total{state="pushed-back"}';
    await vi.waitFor(async () => expect(await metric(await decider(), ended)).toBe(await pushedBack()), LONG);
    const deciding = await decider();
    for (const other of nodes.filter((one) => one !== deciding)) {
      expect(await (await fetch(`${other.url}/metrics`)).text()).not.toContain("locus_storage_invocations");
    }
    await fetch(`${node.url}/v1/functions/digging`, { method: "DELETE" });
  });

  it("what runs beside Redis is in the metrics of the node that decides, whoever called it", async () => {
    const client = redis.client();
    await deploy(nodes[0]!, looking);
    expect((await ask(nodes[0]!, "/looking", "PUT", { pin: "storage" })).status).toBe(200);
    await vi.waitFor(async () => {
      const plan = JSON.parse(String(await client.call("LOCUS.PLAN", "GET"))) as Plan;
      expect(plan.placements["looking"]?.share).toBe(1);
    }, LONG);
    const called = redis.client().call("LOCUS.CALL", "looking", "0");
    const inHosts = async (node: NodeProcess): Promise<number> => {
      const states = ["queued", "starting", "running", "waiting"];
      const counts = states.map((state) => metric(node, `locus_storage_invocations{state="${state}"}`));
      return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
    };
    await vi.waitFor(async () => expect(await inHosts(await decider())).toBe(1), LONG);
    await client.set("found", "1");
    expect(await called).toBe('"found"');
    await vi.waitFor(async () => expect(await inHosts(await decider())).toBe(0), LONG);
    await fetch(`${nodes[0]!.url}/v1/functions/looking`, { method: "DELETE" });
  });

  it("two people who say something of a function at once both have their say", async () => {
    const [one, other] = nodes as [NodeProcess, NodeProcess];
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        ask(one, "/idle", "PUT", { pin: round / 10 }),
        ask(other, "/idle", "PUT", { weight: 2 + round }),
      ]);
      expect(await ask(other, "/idle", "PUT", {})).toMatchObject({ body: { pin: round / 10, weight: 2 + round } });
    }
    expect((await ask(one, "/idle", "DELETE")).status).toBe(204);
  });

  it.each([
    ["no JSON", "nonsense"],
    ["a place that there is not", { pin: "elsewhere" }],
    ["a share beyond 1", { pin: 2 }],
    ["a weight of 0", { weight: 0 }],
    ["a member that is not known", { pinned: 1 }],
  ])("refuses rules with %s, and nothing changes", async (_what, body) => {
    const before = await explain(nodes[0]!, "walk");
    expect(await ask(nodes[0]!, "/walk", "PUT", body)).toMatchObject({
      status: 400,
      body: { code: "REQUEST_INVALID" },
    });
    expect((await explain(nodes[0]!, "walk")).rules).toEqual(before.rules);
  });

  it("knows no function that is not deployed", async () => {
    for (const [method, body] of [["GET"], ["PUT", {}], ["DELETE"]] as const) {
      expect(await ask(nodes[0]!, "/absent", method, body)).toMatchObject({
        status: 404,
        body: { code: "FUNCTION_NOT_FOUND" },
      });
    }
  });

  it("the command line tells it to people and to programs", async () => {
    const locus = (...argv: readonly string[]) => runTool("locus", [...argv, "--url", nodes[1]!.url], {});
    const { stdout } = await locus("placement");
    expect(stdout).toMatch(/walk\s+\w+\s+100 %/);
    expect(stdout).toMatch(/^busy: compute cores .* %, storage cores .* %, Redis' thread .* %, Redis' machine .* %/m);
    const why = await locus("why", "walk");
    expect(why.stdout).toContain("64 operations in 64 rounds");
    expect(why.stdout).toMatch(/^storage: measured .* calls?, the last .* ago$/m);
    expect(JSON.parse((await locus("why", "walk", "--json")).stdout)).toMatchObject({ function: "walk", share: 1 });
    expect((await locus("pin", "idle", "0.5")).stdout).toBe("idle: pinned, 50 % at storage, weight 1\n");
    expect((await locus("free", "idle")).stdout).toBe(
      "freed idle: it stays where it is until locus has reason to move it\n",
    );
    for (const [asked, message] of [
      [["pin", "idle", "nowhere"], "must be compute, storage, or a share from 0 to 1"],
      [["pin", "idle", " "], "must be compute, storage, or a share from 0 to 1"],
      [["weigh", "idle", "--weight", "0"], "must be a number from 0.001 to 1000"],
      [["weigh", "idle", "--weight", "5000"], "must be a number from 0.001 to 1000"],
      [["weigh", "idle", "--p99-under", "1e9"], "must be a number from 0.001 to 1000000, or none"],
    ] as const) {
      expect(await locus(...asked)).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
    }
  });

  it.each(["", "/idle"])("refuses a query, of which it knows none, of /v1/placement%s", async (path) => {
    expect(await ask(nodes[0]!, `${path}?function=idle`)).toMatchObject({
      status: 400,
      body: { code: "REQUEST_INVALID", detail: 'there is no query parameter "function": none is known here' },
    });
  });

  it("when the node that decides dies the plan holds, and the other decides", async () => {
    const dead = await decider();
    const heir = nodes.find((node) => node !== dead)!;
    const client = redis.client();
    const holder = await client.get("locus:controller:lease");
    expect(holder).not.toBeNull();
    const { moves } = (await explain(dead, "walk")) as { readonly moves: number };
    expect(moves).toBeGreaterThan(0);
    await dead.end("SIGKILL");
    // Whoever dies leaves the others what is left of its lease, and they look five times in two seconds: two seconds. By the server's clock, and seen from its death
    // until another one has it, much more for a machine that is busy.
    expect(await client.pttl("locus:controller:lease")).toBeLessThanOrEqual(1_300);
    const diedMs = await serverMs(client);
    // Meanwhile nobody decides, and calls go as the plan has them, by either door: that is no default.
    do {
      expect((await call(heir, "walk"))[1]).toMatch(/^(?:plan|probe|trial)$/);
      expect(await client.call("LOCUS.CALL", "walk", "0")).toBe("null");
    } while ([null, holder].includes(await client.get("locus:controller:lease")));
    await vi.waitFor(async () => expect([null, holder]).not.toContain(await client.get("locus:controller:lease")), {
      ...LONG,
      interval: 5,
    });
    expect((await serverMs(client)) - diedMs).toBeLessThan(10_000);
    await callUntil(heir, "walk", ["storage", "plan"]);
    await vi.waitFor(async () => expect(await metric(heir, "locus_placement_controls")).toBe(1), LONG);
    await callUntil(heir, "walk", ["storage", "plan"]);
    await vi.waitFor(async () => {
      await call(heir, "walk");
      expect(await explain(heir, "walk")).toMatchObject({ share: 1, state: expect.stringMatching("storage|probing") });
    }, LONG);
    expect((await explain(heir, "walk")).moves).toBeGreaterThanOrEqual(moves);
    await dead.startAgain();
    await dead.ready();
    await callUntil(dead, "walk", ["storage", "plan"]);
    expect(await decider()).toBe(heir);
  });

  it("whoever decides goes on from the plan that nodes follow where Redis has lost it", async () => {
    const client = redis.client();
    const planned = async (name: string): Promise<unknown> =>
      JSON.parse((await client.hget("locus:placement:plan", name)) ?? "null");
    await client.del("locus:placement:plan", "locus:controller:lease");
    await ask(nodes[0]!, "/idle", "PUT", { pin: 0.25 });
    await vi.waitFor(async () => expect(await planned("idle")).toMatchObject({ share: 0.25 }), LONG);
    expect(await planned("walk")).toMatchObject({ share: 1 });
    await ask(nodes[0]!, "/idle", "DELETE");
    expect(await call(nodes[0]!, "walk")).toEqual(["storage", expect.stringMatching("plan|probe")]);
    await ask(nodes[0]!, "/walk", "PUT", { pin: "compute" });
    for (const node of nodes) await callUntil(node, "walk", ["compute", "plan"]);
    await ask(nodes[0]!, "/walk", "DELETE");
    for (const node of nodes) await callUntil(node, "walk", ["storage", "plan"]);
    await decider();
  });

  it("a plan that somebody gave the module who is no controller does not stay, whatever its version", async () => {
    const client = redis.client();
    const told = async () => JSON.parse(String(await client.call("LOCUS.PLAN", "GET"))) as { readonly version: number };
    const forge = async (version: number) => {
      const [what] = (await client.call("LOCUS.PLAN", "SET", JSON.stringify({ version, placements: {} }))) as [string];
      return what;
    };
    expect(await forge(Number.MAX_SAFE_INTEGER)).toBe("kept");
    expect(await forge((await told()).version + 2 ** 50)).toBe("taken");
    // With the next plan, whatever it is for, the controller is told of it.
    await ask(nodes[0]!, "/idle", "PUT", { pin: 0.5 });
    await vi.waitFor(async () => expect(await told()).toMatchObject({ placements: { idle: { share: 0.5 } } }), LONG);
    await vi.waitFor(async () => expect((await overview(nodes[1]!)).planVersion).toBe((await told()).version), LONG);
  });

  it("what people have said is read again where it could not be read", async () => {
    const client = redis.client();
    const lastDenied = async () => JSON.stringify(await client.call("ACL", "LOG", "1"));
    await client.call("ACL", "LOG", "RESET");
    await client.call("ACL", "SETUSER", "default", "-hgetall");
    try {
      await client.hset("locus:placement:rules", "walk:weight", "7");
      await client.publish("locus:placement:rules", "walk");
      await vi.waitFor(async () => expect(await lastDenied()).toContain("hgetall"), LONG);
    } finally {
      await client.call("ACL", "SETUSER", "default", "+hgetall");
    }
    await vi.waitFor(
      async () => expect((await ask(nodes[0]!, "/walk")).body).toMatchObject({ rules: { weight: 7 } }),
      LONG,
    );
  });

  it("a function that is taken away leaves the plan, and what was said of it goes with it", async () => {
    await ask(nodes[1]!, "/idle", "PUT", { pin: 0.5, weight: 3 });
    await ask(nodes[1]!, "/walk", "PUT", { weight: 3 });
    await fetch(`${nodes[0]!.url}/v1/functions/idle`, { method: "DELETE" });
    await vi.waitFor(
      async () => expect((await overview(nodes[1]!)).functions.map((one) => one.function)).toEqual(["direct", "walk"]),
      LONG,
    );
    await vi.waitFor(
      async () => expect(await redis.client().hgetall("locus:placement:rules")).toEqual({ "walk:weight": "3" }),
      LONG,
    );
  });

  it("a node that is told to decide nothing runs functions where they declare it", async () => {
    const node = await startNode("declared", { LOCUS_PLACEMENT: "declared" });
    nodes.push(node);
    expect(await call(node, "walk")).toEqual(["compute", "default"]);
    expect(await ask(node, "")).toMatchObject({ status: 400, body: { code: "REQUEST_INVALID" } });
  });
});
