// What comes to Redis as another user than the one that functions of a node run as: the same rights on both sides, in a real Redis and
// by a real node that takes on the user; and what a node does with users that it may not, cannot or need not take on.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import type { Health } from "#compute/node/health.ts";
import { readInfo } from "#test/module-info.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { PATIENT } from "#test/patient-limits.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { deploy, readiness } from "./node-client.ts";

const LONG = { timeout: 60_000, interval: 10 };
const SIDES = ["storage", "compute"] as const;
type Side = (typeof SIDES)[number];

/** Does one command after another, and says what each came to; waits before one for a key of that name to be there. */
const script = `export default { kind: "locus.function", name: "script", limits: ${JSON.stringify(PATIENT)}, async run({ redis, args }) {
  const came = [];
  for (const [name, ...words] of args) {
    if (name === "await") while ((await redis.get(words[0])) === null);
    else came.push(await redis[name](...words).then(String, (error) => error.message.split(" ")[0]));
  }
  return came;
} };`;

let redis: RedisServer;
let admin: Redis;
let node: NodeProcess;
let versions = 0;

const info = async (name: string): Promise<string | undefined> => (await readInfo(admin)).get(name);
const place = async (side: Side): Promise<void> => {
  const placement = {
    state: side,
    share: side === "storage" ? 1 : 0,
    probeEvery: 0,
    backCpuUs: 0,
    overflowMin: 0,
    overflowTimes: 0,
  };
  await admin.call(
    "LOCUS.PLAN",
    "SET",
    JSON.stringify({ version: (versions += 1), placements: { script: placement } }),
  );
};
const user = (name: string, ...rules: readonly string[]): Promise<unknown> =>
  admin.acl("SETUSER", name, "reset", "on", ">secret", "+locus.call", ...rules);
const connect = (username: string, db = 0): Redis =>
  redis.client({
    username,
    password: "secret",
    db,
    retryStrategy: () => null,
    autoResendUnfulfilledCommands: false,
    enableReadyCheck: false,
  });
const run = (own: Redis, commands: readonly (readonly string[])[]): Promise<unknown> =>
  own.call("LOCUS.CALL", "script", "0", JSON.stringify(commands)).then(
    (json) => JSON.parse(String(json)) as unknown,
    (error: Error) => error.message,
  );
const actingFor = async (): Promise<Health["compute"]["actingFor"]> =>
  ((await readiness(node)).body as Health).compute.actingFor;
const actsNot = (name: string, database = 0) =>
  vi.waitFor(async () => expect(await actingFor()).not.toContainEqual({ user: name, database }), LONG);

/** Calls go to that side from here on; where that is the node, it acts for the user. */
const settle = async (side: Side, own: Redis, name: string, database = 0): Promise<void> => {
  await place(side);
  if (side === "storage") return;
  // Who found no room is told of again after a while, if calls still come.
  await vi.waitFor(async () => {
    await run(own, []);
    expect(await actingFor()).toContainEqual({ user: name, database });
  }, LONG);
};
/** What a call came to, and that it ran on that side. */
const runAt = async (side: Side, own: Redis, commands: readonly (readonly string[])[]): Promise<unknown> => {
  const returned = Number(await info("calls_returned"));
  const came = await run(own, commands);
  expect(await info("calls_returned")).toBe(String(returned + (side === "compute" ? 1 : 0)));
  return came;
};

const startNode = (settings: Readonly<Record<string, string>>): Promise<NodeProcess> =>
  startNodeOver(redis, (started) => (node = started), {
    LOCUS_REDIS_USER: "node",
    LOCUS_REDIS_PASSWORD: "secret",
    LOCUS_FUNCTION_USER: "functions",
    LOCUS_FUNCTION_PASSWORD: "secret",
    LOCUS_PLACEMENT: "declared",
    LOCUS_COMPUTE_CONNECTIONS: "1",
    ...settings,
  });
const NODE_RULES =
  "+@connection +info +subscribe +unsubscribe &locus:functions +locus.function +locus.info +locus.node|attach +locus.node|detach +locus.node|take +locus.node|writes +locus.node|give +locus.node|act".split(
    " ",
  );

beforeAll(async () => {
  redis = await startRedisServer({ moduleArguments: ["node-act", "yes", "take-patience-ms", "60000"] });
  admin = redis.client();
  await user("node", ...NODE_RULES);
  await user("functions", "+@all", "~*");
  await user("stranger", "+get", "~*");
  // It goes on to act for whom it does, however long a test takes.
  await startNode({ LOCUS_ACTING_USERS_MAX: "8" });
  await deploy(node, script);
});
afterAll(async () => {
  await node.end("SIGTERM");
  await redis.close();
});
beforeEach(async () => {
  await admin.flushall();
  await admin.mset("a:1", "1", "b:1", "2");
});

describe.each(SIDES)("at %s a call has its caller's rights, and no others:", (side) => {
  it("a key or a command that is not allowed is refused, and what is allowed is done", async () => {
    await user("reader", "+get", "+set", "~a:*", "%R~b:*");
    const own = connect("reader");
    await settle(side, own, "reader");
    const commands = [
      ["get", "a:1"],
      ["get", "b:1"],
      ["set", "a:1", "3"],
      ["set", "b:1", "3"],
      ["get", "c:1"],
      ["del", "a:1"],
      ["hget", "a:1", "x"],
    ];
    expect(await runAt(side, own, commands)).toEqual(["1", "2", "OK", "NOPERM", "NOPERM", "NOPERM", "NOPERM"]);
    expect(await admin.mget("a:1", "b:1")).toEqual(["3", "2"]);
  });

  it("rights that hold only together are not taken apart, and channels are rights as well", async () => {
    await user("selective", "+get", "~none", "+publish", "resetchannels", "&open:*", "(+strlen ~a:*)", "(+get ~b:*)");
    const own = connect("selective");
    await settle(side, own, "selective");
    const commands = [
      ["get", "a:1"],
      ["strlen", "b:1"],
      ["strlen", "a:1"],
      ["get", "b:1"],
      ["publish", "open:1", "x"],
      ["publish", "closed", "x"],
    ];
    expect(await runAt(side, own, commands)).toEqual(["NOPERM", "NOPERM", "1", "2", "0", "NOPERM"]);
  });

  it("a call in another database reads and writes that one", async () => {
    await user("reader", "+get", "+set", "+select", "~a:*");
    const own = connect("reader", 5);
    await settle(side, own, "reader", 5);
    expect(
      await runAt(side, own, [
        ["get", "a:1"],
        ["set", "a:1", "5"],
      ]),
    ).toEqual(["null", "OK"]);
    expect(await admin.get("a:1")).toBe("1");
    expect(await redis.client({ db: 5 }).get("a:1")).toBe("5");
  });

  it("a right that is taken away between two operations is gone for the second one", async () => {
    await user("writer", "+get", "+set", "~a:*");
    const own = connect("writer");
    await settle(side, own, "writer");
    const came = runAt(side, own, [
      ["set", "a:2", "1"],
      ["await", "a:3"],
      ["set", "a:2", "2"],
      ["get", "a:2"],
    ]);
    await vi.waitFor(async () => expect(await admin.get("a:2")).toBe("1"), LONG);
    await admin.acl("SETUSER", "writer", "-set");
    await admin.set("a:3", "1");
    expect(await came).toEqual(["OK", "NOPERM", "1"]);
  });

  it("a user who is deleted under a call writes nothing more, and the caller's connection is closed", async () => {
    await user("leaver", "+get", "+set", "~a:*");
    const own = connect("leaver");
    await settle(side, own, "leaver");
    const failed = Number(/CANCELLED=(\d+)/.exec((await info("calls_failed_by_code")) ?? "")?.[1] ?? 0);
    const came = run(own, [
      ["set", "a:2", "1"],
      ["await", "a:3"],
      ["set", "a:2", "2"],
    ]);
    await vi.waitFor(async () => expect(await admin.get("a:2")).toBe("1"), LONG);
    await admin.acl("DELUSER", "leaver");
    await admin.set("a:3", "1");
    expect(await came).toMatch(/closed/i);
    await vi.waitFor(async () => expect(await info("calls_failed_by_code")).toContain(`CANCELLED=${failed + 1}`), LONG);
    await actsNot("leaver");
    expect(await admin.get("a:2")).toBe("1");
  });

  it("a user who is switched off under a call goes on, as on any connection that is open", async () => {
    await user("sleeper", "+get", "+set", "~a:*");
    const own = connect("sleeper");
    await settle(side, own, "sleeper");
    const came = run(own, [
      ["set", "a:2", "1"],
      ["await", "a:3"],
      ["set", "a:2", "2"],
    ]);
    await vi.waitFor(async () => expect(await admin.get("a:2")).toBe("1"), LONG);
    await admin.acl("SETUSER", "sleeper", "off");
    await admin.set("a:3", "1");
    expect(await came).toEqual(["OK", "OK"]);
  });
});

describe("a node", () => {
  const reasons = (): readonly string[] =>
    node
      .log()
      .split("\n")
      .filter((line) => line.includes('"does not act for a user of Redis"'))
      .map((line) => (JSON.parse(line) as { readonly reason: string }).reason);
  const text = async () => (await fetch(`${node.url}/metrics`)).text();

  const hosts = async () => Number(/^locus_sandbox_hosts\{state="ready"\} (\d+)$/m.exec(await text())?.[1]);
  const comesToHosts = (count: number) => vi.waitFor(async () => expect(await hosts()).toBe(count), LONG);

  it("shows for whom it acts, and the memory of their hosts, until nobody has needed one for a while", async () => {
    await node.end("SIGTERM");
    await startNode({ LOCUS_ACTING_USERS_MAX: "4", LOCUS_ACTING_IDLE_MS: "3000" });
    await comesToHosts(1);
    await user("reader", "+get", "~a:*");
    const own = connect("reader");
    await place("compute");
    await vi.waitFor(async () => {
      await run(own, []);
      expect(await text()).toContain('\nlocus_acting_for{user="reader",database="0"} 1\n');
      expect(await hosts()).toBe(2);
    }, LONG);
    await actsNot("reader");
    expect(await text()).not.toContain("\nlocus_acting_for{");
    await comesToHosts(1);
    expect(await runAt("storage", own, [["get", "a:1"]])).toEqual(["1"]);
    expect(await info("nodes_attached")).toBe("1");
    await settle("compute", own, "reader");
  });

  it("that may not act says so, and the calls run at the module", async () => {
    await place("compute");
    await admin.acl("SETUSER", "node", "-locus.node|act");
    await user("first", "+get", "~a:*");
    expect(await runAt("storage", connect("first"), [["get", "a:1"]])).toEqual(["1"]);
    const forbidden = expect.stringMatching(/no permissions to run the 'locus.node\|act'/) as unknown;
    await vi.waitFor(() => expect(reasons()).toEqual([forbidden]), LONG);
    await admin.acl("SETUSER", "node", "+locus.node|act");
    await user("third", "+get", "~a:*");
    const off = connect("third");
    await off.ping().catch(() => {});
    await admin.acl("SETUSER", "third", "off");
    expect(await runAt("storage", off, [["get", "a:1"]])).toEqual(["1"]);
    const missing = expect.stringMatching(/there is no user "third", or it is off/) as unknown;
    await vi.waitFor(() => expect(reasons()).toEqual([forbidden, missing]), LONG);
    for (const name of ["first", "third"]) await actsNot(name);
    // Of whom the module would tell another node for a while yet.
    await admin.acl("DELUSER", "first", "third");
  });

  it(
    "acts for no more users than it may, and who was not needed for longest makes room",
    async () => {
      await node.end("SIGTERM");
      const usual = node;
      // Who was needed four seconds ago stays.
      await startNode({ LOCUS_ACTING_USERS_MAX: "2", LOCUS_ACTING_IDLE_MS: "120000" });
      const own: Redis[] = [];
      for (const name of ["one", "two"]) {
        await user(name, "+get", "~a:*");
        own.push(connect(name));
        await settle("compute", own.at(-1)!, name);
      }
      let fresh = 0;
      await vi.waitFor(async () => {
        await run(own[1]!, []);
        await user(`fresh-${(fresh += 1)}`, "+get", "~a:*");
        await run(connect(`fresh-${fresh}`), []);
        const acted = (await actingFor()).map(({ user: name }) => name);
        expect(acted).toEqual(["two", expect.stringMatching(/^fresh-/)]);
      }, LONG);
      expect(await runAt("storage", own[0]!, [["get", "a:1"]])).toEqual(["1"]);
      await node.end("SIGTERM");
      node = usual;
      await node.startAgain();
      await node.ready();
    },
    3 * LONG.timeout,
  );

  it("that loses Redis acts for nobody, and for who is wanted when it is back", async () => {
    await user("reader", "+get", "~a:*");
    await redis.restart();
    versions = 0;
    await user("node", ...NODE_RULES);
    await user("functions", "+@all", "~*");
    await user("reader", "+get", "~a:*");
    await node.ready();
    await vi.waitFor(async () => expect(await info("nodes_attached")).toBe("1"), LONG);
    expect((await deploy(node, script)).status).toBe(201);
    expect(await actingFor()).toEqual([]);
    await admin.set("a:1", "1");
    const own = connect("reader");
    // Whom nobody needs for as long as this machine may stand still is acted for no more, and is anew with the next call.
    await vi.waitFor(async () => {
      await settle("compute", own, "reader");
      expect(await runAt("compute", own, [["get", "a:1"]])).toEqual(["1"]);
    }, LONG);
  });
});
