import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import type { Plan } from "#runtime/placement/plan.ts";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { CONTROLLER_LEASE_KEY } from "../controller/controllership.ts";
import { recordText } from "./function-records.ts";
import { PlacementLink } from "./placement-link.ts";
import { PlanWriter } from "./plan-writer.ts";

const ignored = (): void => {};

/** Stands between a client and a server; once, on demand, it keeps the answer to a command and hangs up. */
async function startAnswerThief(serverPath: string) {
  const folder = mkdtempSync(join(tmpdir(), "locus-thief-"));
  const path = join(folder, "thief.sock");
  let command: string | null = null;
  const thief = createServer((client) => {
    let isStealing = false;
    const upstream = createConnection(serverPath);
    const hangUp = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on("error", hangUp).on("close", hangUp);
    client.on("data", (data) => {
      if (command !== null && data.toString("latin1").toLowerCase().includes(`\r\n${command}\r\n`)) {
        isStealing = true;
        command = null;
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => (isStealing ? hangUp() : client.write(data)));
  });
  thief.listen(path);
  await once(thief, "listening");
  return {
    path,
    stealNext: (name: string) => (command = name),
    close: async () => {
      await new Promise((resolve) => thief.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const linkTo = async (
  server: Pick<RedisProcess, "path">,
  onRefused: (reason: string) => void = ignored,
): Promise<PlacementLink> => {
  const connected = Promise.withResolvers<void>();
  const link = openLink(server, connected.resolve, onRefused);
  await connected.promise;
  return link;
};

function openLink(
  { path }: Pick<RedisProcess, "path">,
  onConnected: () => void,
  onRefused: (reason: string) => void = ignored,
): PlacementLink {
  const address = { host: "", port: 0, path, tls: false, database: 0 };
  return new PlacementLink(address, { username: null, password: null }, "me", {
    onConnected,
    onPlan: ignored,
    onRules: ignored,
    onAnswer: ignored,
    onWindow: ignored,
    onQuestion: ignored,
    onRefused,
  });
}

describe.skipIf(!redisServerExists())("a plan in a real server (skipped where there is none)", () => {
  let server: RedisProcess;
  let other: Redis;
  let link: PlacementLink;
  beforeAll(async () => {
    server = await startRedis();
    other = new Redis({ path: server.path });
    link = await linkTo(server);
  });
  afterAll(async () => {
    link.close();
    other.disconnect();
    await server.close();
  });

  /** Something that happens to the lease once a writer has seen whose it is. */
  const afterItWasSeen = (happens: () => Promise<unknown>): void => {
    const { commands } = link;
    const get = commands.get.bind(commands);
    commands.get = async (key: string) => {
      const holder = await get(key);
      commands.get = get;
      await happens();
      return holder;
    };
  };
  const change = (version: number) => ({
    version,
    base: version - 1,
    placements: {
      walk: { state: "storage", share: 1, probeEvery: 0, backCpuUs: 0, overflowMin: 0, overflowTimes: 0 },
    } as const,
    removed: [],
  });

  test("is written by who holds the lease, also where it was renewed meanwhile", async () => {
    await other.set(CONTROLLER_LEASE_KEY, "me");
    afterItWasSeen(() => other.pexpire(CONTROLLER_LEASE_KEY, 60_000));
    expect(await link.writePlan("me", change(1), {}, false)).toBe("written");
    expect(await link.readPlan()).toEqual({ version: 1, placements: new Map([["walk", change(1).placements.walk]]) });
  });

  test("is not written by who has lost it, before or meanwhile", async () => {
    await other.set(CONTROLLER_LEASE_KEY, "me");
    afterItWasSeen(() => other.set(CONTROLLER_LEASE_KEY, "another"));
    expect(await link.writePlan("me", change(2), {}, false)).toBe("deposed");
    expect(await link.writePlan("me", change(2), {}, false)).toBe("deposed");
    expect((await link.readPlan()).version).toBe(1);
  });

  test("is not written while nobody holds the lease, nor where another has written one", async () => {
    const { version } = await link.readPlan();
    await other.del(CONTROLLER_LEASE_KEY);
    expect(await link.writePlan("me", change(version + 1), {}, false)).toBe("unheld");
    await other.set(CONTROLLER_LEASE_KEY, "me");
    expect(await link.writePlan("me", change(version + 2), {}, false)).toBe("deposed");
    expect(await link.readPlan()).toMatchObject({ version });
  });

  test("that Redis has forgotten is told from another's, and is written without what stands there", async () => {
    const { version } = await link.readPlan();
    await other.set(CONTROLLER_LEASE_KEY, "me");
    await other.hdel("locus:placement:plan", "@version");
    await other.hset("locus:placement:plan", "stale", JSON.stringify(change(1).placements.walk));
    expect(await link.readPlan()).toEqual({ version: 0, placements: new Map() });
    expect(await link.writePlan("me", change(version + 1), {}, false)).toBe("forgotten");
    expect(await link.writePlan("me", { ...change(version), base: 0 }, {}, false)).toBe("written");
    expect([...(await link.readPlan()).placements.keys()]).toEqual(["walk"]);
  });

  test("that was written without an answer is known to be, and what is wanted next is written after it", async () => {
    const proxy = await startAnswerThief(server.path);
    const over = await linkTo({ path: proxy.path });
    await other.set(CONTROLLER_LEASE_KEY, "me");
    const outcomes: string[] = [];
    const found = await over.readPlan();
    const written: Plan[] = [];
    const writer = new PlanWriter({
      found,
      followed: 0,
      recordOf: () => null,
      write: async (changed, records, isAgain) => {
        const outcome = await over.writePlan("me", changed, records, isAgain).catch(() => "lost" as const);
        outcomes.push(outcome);
        if (outcome === "lost") throw new Error("lost");
        return outcome;
      },
      onWritten: (plan) => written.push(plan),
      onDeposed: () => {},
    });
    const at = (share: number) => new Map([["walk", { ...change(1).placements.walk, share }]]);
    proxy.stealNext("exec");
    writer.want(at(0.25));
    writer.want(at(0.5));
    await vi.waitFor(() => expect(written).toHaveLength(2), { timeout: 20_000 });
    expect(outcomes[0]).toBe("lost");
    expect(outcomes.slice(-2)).toEqual(["written", "written"]);
    expect(written.map(({ placements }) => placements)).toEqual([at(0.25), at(0.5)]);
    expect(await link.readPlan()).toEqual(written.at(-1));
    over.close();
    await proxy.close();
  });

  test("is written only while the lease is watched, whatever is said of a function meanwhile", async () => {
    await other.set(CONTROLLER_LEASE_KEY, "me");
    const base = (await link.readPlan()).version;
    let said: Promise<void> | undefined;
    afterItWasSeen(async () => {
      said = link.writeRules("walk", { pinnedShare: 1, weight: 1, p99UnderUs: null });
      await other.set(CONTROLLER_LEASE_KEY, "another");
    });
    expect(await link.writePlan("me", { ...change(base + 1), base }, {}, false)).toBe("deposed");
    await said;
    expect((await link.readPlan()).version).toBe(base);
  });

  test("loses nothing that is said of a function while it is written", async () => {
    await other.set(CONTROLLER_LEASE_KEY, "me");
    let version = (await link.readPlan()).version;
    let said: Promise<void> | undefined;
    afterItWasSeen(async () => {
      await other.pexpire(CONTROLLER_LEASE_KEY, 60_000);
      said = link.writeRules("walk", { pinnedShare: 0.25, weight: 1, p99UnderUs: null });
    });
    expect(await link.writePlan("me", change((version += 1)), {}, false)).toBe("written");
    await said;
    expect((await link.readRules()).get("walk")?.pinnedShare).toBe(0.25);
  });

  test("loses nothing that two people say of a function at once", async () => {
    const others = await linkTo(server);
    for (let round = 0; round < 50; round++) {
      await Promise.all([
        link.writeRules("both", { pinnedShare: round / 100 }),
        others.writeRules("both", { weight: 2 + round }),
      ]);
      const said = { pinnedShare: round / 100, weight: 2 + round, p99UnderUs: null };
      expect((await link.readRules()).get("both")).toEqual(said);
    }
    await Promise.all([link.writeRules("both", { pinnedShare: null }), others.writeRules("both", { weight: 1 })]);
    expect((await others.readRules()).has("both")).toBe(false);
    others.close();
  });

  test("is connected once commands are taken as well, and again when that connection is back", async () => {
    const proxy = await startAnswerThief(server.path);
    // The connection of commands is the first: it comes back after the news have long been subscribed.
    proxy.stealNext("info");
    const plans: Promise<Plan>[] = [];
    const late = openLink({ path: proxy.path }, () => plans.push(late.readPlan()));
    await vi.waitFor(() => expect(plans).toHaveLength(1), { timeout: 20_000 });
    // Or the answer to that one would be stolen.
    await plans[0];
    proxy.stealNext("hgetall");
    await expect(late.readPlan()).rejects.toThrow("max retries");
    await vi.waitFor(() => expect(plans).toHaveLength(2), { timeout: 20_000 });
    expect(await Promise.all(plans)).toEqual([await link.readPlan(), await link.readPlan()]);
    late.close();
    await proxy.close();
  });

  test.each(["nonsense", "1.5", "-1", "9007199254740993"])("of the version %s counts as none", async (version) => {
    await other.hset("locus:placement:plan", "@version", version);
    expect((await link.readPlan()).version).toBe(0);
    await other.set(CONTROLLER_LEASE_KEY, "me");
    expect(await link.writePlan("me", change(1), {}, false)).toBe("written");
    expect((await link.readPlan()).version).toBe(1);
  });

  test("names that no function has are not read", async () => {
    await other.hset("locus:placement:plan", "No Name", JSON.stringify(change(1).placements.walk));
    expect([...(await link.readPlan()).placements.keys()]).toEqual(["walk"]);
  });

  describe("what is told of functions", () => {
    const RECORDS_KEY = "locus:placement:records";
    const record: FunctionRecord = {
      counters: { moves: 3, reverts: 1, trials: 4 },
      transitions: [
        {
          atMs: 1_800_000_000_000.25,
          function: "walk",
          from: "compute",
          to: "storage",
          fromShare: 0,
          toShare: 1,
          why: { kind: "latency", from: 2_000, to: 100, error: 0.1 },
        },
      ],
    };
    const names = new Set(["walk", "f", "g"]);
    const write = async (changed: Partial<ReturnType<typeof change>>, records: Record<string, string>) => {
      await other.set(CONTROLLER_LEASE_KEY, "me");
      const { version } = await link.readPlan();
      return link.writePlan("me", { ...change(version + 1), ...changed }, records, false);
    };

    test("is written with the plan, and goes with the function", async () => {
      expect(await write({}, { walk: recordText(record) })).toBe("written");
      expect(await link.readRecords(names)).toEqual(new Map([["walk", record]]));
      expect(await link.readRecords(new Set(["f"]))).toEqual(new Map());
      await other.set(CONTROLLER_LEASE_KEY, "another");
      const { version } = await link.readPlan();
      expect(await link.writePlan("me", change(version + 1), { f: recordText(record) }, false)).toBe("deposed");
      expect(await other.hkeys(RECORDS_KEY)).toEqual(["walk"]);
      expect(await write({ placements: {} as never, removed: ["walk"] as never }, {})).toBe("written");
      expect(await other.exists(RECORDS_KEY)).toBe(0);
    });

    test("without a plan is nobody's", async () => {
      await other.hset(RECORDS_KEY, "gone", recordText(record));
      await other.hdel("locus:placement:plan", "@version");
      expect(await write({ base: 0 }, { walk: recordText(record) })).toBe("written");
      expect(await other.hkeys(RECORDS_KEY)).toEqual(["walk"]);
    });

    test("that cannot be it is left out, and told of in one line", async () => {
      const told: string[] = [];
      const heir = await linkTo(server, (reason) => told.push(reason));
      await other.hset(RECORDS_KEY, { walk: recordText(record), f: "nonsense", g: " ".repeat(2 ** 20) });
      expect(await heir.readRecords(names)).toEqual(new Map([["walk", record]]));
      expect(told).toEqual([
        expect.stringMatching(/^what was told of [fg] and of 1 more is none that this node knows/),
      ]);
      await other.set(RECORDS_KEY, "no hash");
      expect(await heir.readRecords(names)).toEqual(new Map());
      expect(told[1]).toContain("is no hash");
      expect(await write({}, { walk: recordText(record) })).toBe("written");
      expect(await heir.readRecords(names)).toEqual(new Map([["walk", record]]));
      heir.close();
    });

    test("keeps no plan from being written where somebody has put something else in its place", async () => {
      await other.set(RECORDS_KEY, "no hash");
      const { version } = await link.readPlan();
      expect(await write({}, { walk: recordText(record) })).toBe("written");
      expect((await link.readPlan()).version).toBe(version + 1);
      expect(await other.exists(RECORDS_KEY)).toBe(0);
      expect(await write({}, { walk: recordText(record) })).toBe("written");
      expect(await other.hkeys(RECORDS_KEY)).toEqual(["walk"]);
    });
  });

  test("windows do not pile up before a server that is silent", async () => {
    const window = {
      node: "n",
      machine: { id: "m", cpus: [0], cores: 1 },
      stretchMs: 25,
      tallies: [],
      untracked: 0,
      inFlight: 0,
      nodeCores: 0,
      hostCores: 0,
    };
    let heard = 0;
    await other.subscribe("locus:placement:windows");
    other.on("message", () => (heard += 1));
    for (let at = 0; at < 100; at++) link.sendWindow(window);
    await link.commands.ping();
    await vi.waitFor(() => expect(heard).toBe(8));
    link.sendWindow(window);
    await vi.waitFor(() => expect(heard).toBe(9));
  });
});
