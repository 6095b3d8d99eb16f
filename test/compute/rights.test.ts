// A node whose users in Redis have the rights that docs/configuration.md asks for, and no others.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type NodeProcess, startNodeOver } from "../node-process.ts";
import { startRedisServer, type RedisServer } from "../redis-server.ts";
import { runTool } from "../tool.ts";
import { logged } from "./node-client.ts";

const CONFIGURATION = readFileSync(join(import.meta.dirname, "../../docs/configuration.md"), "utf8");
const SIDES = ["compute", "storage"];
const LONG = { timeout: 60_000, interval: 50 };
const BUNDLE = `export default { kind: "locus.function", name: "reader", async run({ redis, keys: [key] }) {
  return [await redis.get(key), await redis.get("others").catch(String)];
} };`;

/** As ACL SETUSER wants them: what stands in backquotes between two pieces of the page. */
function rulesBetween(from: string, to: string): readonly string[] {
  const start = CONFIGURATION.indexOf(from);
  const told = CONFIGURATION.slice(start, CONFIGURATION.indexOf(to, start));
  expect(told.length).toBeGreaterThan(0);
  return [...told.matchAll(/`([+~&][^`]*)`/g)].flatMap(([, rules]) => rules!.split(" "));
}

const nodeRules = (placement: boolean): readonly string[] =>
  rulesBetween("The node's own user needs", placement ? "The\nuser that functions run as" : "; for placement also");

const FUNCTION_RULES = rulesBetween("user that functions run as needs", ", the commands");

describe.each([
  ["auto", true],
  ["declared", false],
] as const)("a node with LOCUS_PLACEMENT=%s", (mode, placement) => {
  let redis: RedisServer;
  let node: NodeProcess;

  beforeAll(async () => {
    redis = await startRedisServer();
    const admin = redis.client();
    await admin.mset("ours", "1", "others", "2");
    await admin.call("ACL", "SETUSER", "node", "on", ">a", "resetchannels", ...nodeRules(placement));
    await admin.call("ACL", "SETUSER", "guest", "on", ">b", ...FUNCTION_RULES, "+get", "~ours");
    await startNodeOver(redis, (started) => (node = started), {
      LOCUS_REDIS_USER: "node",
      LOCUS_REDIS_PASSWORD: "a",
      LOCUS_FUNCTION_USER: "guest",
      LOCUS_FUNCTION_PASSWORD: "b",
      LOCUS_PLACEMENT: mode,
    });
  });
  afterAll(async () => {
    await node.end("SIGTERM");
    await redis.close();
  });

  /** What Redis has refused to a user: commands, keys and channels. */
  async function deniedTo(user: string): Promise<readonly string[]> {
    const entries = (await redis.client().call("ACL", "LOG")) as readonly (readonly unknown[])[];
    const fieldOf = (entry: readonly unknown[], name: string): string => String(entry[entry.indexOf(name) + 1]);
    return entries.filter((entry) => fieldOf(entry, "username") === user).map((entry) => fieldOf(entry, "object"));
  }

  it("works, and runs functions with the rights of theirs", async () => {
    const path = `${node.url}/v1/functions/reader`;
    const deployed = await fetch(path, {
      method: "PUT",
      headers: { "content-type": "application/javascript" },
      body: BUNDLE,
    });
    expect(deployed.status).toBe(201);
    for (const side of SIDES) {
      const called = await fetch(`${path}/invocations?key=ours&side=${side}`, { method: "POST" });
      expect(await called.json()).toEqual(["1", expect.stringContaining("NOPERM")]);
    }
    expect((await fetch(path, { method: "DELETE" })).status).toBe(204);
    expect(await deniedTo("node")).toEqual([]);
    expect(await deniedTo("guest")).toContain("others");
  });

  it.runIf(placement)("decides where functions run, and keeps what people say", async () => {
    const overview = async () => (await (await fetch(`${node.url}/v1/placement`)).json()) as object;
    await vi.waitFor(async () => expect(await overview()).toMatchObject({ controller: expect.any(String) }), LONG);
    await redis.client().call("LOCUS.FUNCTION", "LOAD", BUNDLE);
    const pin = () => runTool("locus", ["pin", "reader", "storage"], { LOCUS_URL: node.url });
    await vi.waitFor(async () => expect(await pin()).toMatchObject({ status: 0 }), LONG);
    const called = () => fetch(`${node.url}/v1/functions/reader/invocations?key=ours`, { method: "POST" });
    await vi.waitFor(async () => expect((await called()).headers.get("x-locus-side")).toBe("storage"), LONG);
    expect(await deniedTo("node")).toEqual([]);
  });
});

describe("the user for functions that docs/configuration.md makes", () => {
  const WORDS = /^ACL (SETUSER guest on >secret .*)$/m.exec(CONFIGURATION)?.[1]?.split(" ") ?? [];
  const closing: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });

  it("is named while Redis refuses it, and functions have its rights once it is there", async () => {
    const redis = await startRedisServer();
    closing.push(() => redis.close());
    const settings = { LOCUS_FUNCTION_USER: "guest", LOCUS_FUNCTION_PASSWORD: "secret" };
    const own = (started: NodeProcess): unknown => closing.push(() => started.end("SIGTERM"));
    const node = await startNodeOver(redis, own, settings, { ready: false });
    const named = expect.stringMatching(
      /WRONGPASS.*; check LOCUS_FUNCTION_USER and LOCUS_FUNCTION_PASSWORD \(docs\/configuration\.md/,
    );
    const refused = { ready: false, compute: { ready: false, code: "REDIS_UNAVAILABLE", detail: named } };
    const health = async () => (await fetch(`${node.url}/readyz`)).json();
    await vi.waitFor(async () => expect(await health()).toMatchObject({ ...refused, storage: { ready: true } }), LONG);
    const told = expect.objectContaining({ msg: "takes no calls from Redis", reason: named });
    await vi.waitFor(() => expect(logged(node)).toContainEqual(told), LONG);
    const doctor = await runTool("locus", ["doctor"], { LOCUS_URL: node.url });
    expect(doctor.stdout).toMatch(
      /missing +node +compute side: .*check LOCUS_FUNCTION_USER and.*\n +→ correct them where the node is started\n/,
    );

    const admin = redis.client();
    await admin.mset("app:ours", "1", "others", "2");
    await admin.call("ACL", ...(WORDS as [string, ...string[]]));
    await node.ready();
    const path = `${node.url}/v1/functions/reader`;
    const headers = { "content-type": "application/javascript" };
    expect((await fetch(path, { method: "PUT", headers, body: BUNDLE })).status).toBe(201);
    for (const side of SIDES) {
      const called = await fetch(`${path}/invocations?key=app:ours&side=${side}`, { method: "POST" });
      expect(await called.json()).toEqual(["1", expect.stringContaining("NOPERM")]);
    }
    await vi.waitFor(() => expect(node.log()).toContain("attached: takes calls from Redis"), LONG);
  });
});
