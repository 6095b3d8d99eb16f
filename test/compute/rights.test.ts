// A node whose users in Redis have the rights that docs/configuration.md asks for, and no others.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type NodeProcess, startNodeOver } from "../node-process.ts";
import { startRedisServer, type RedisServer } from "../redis-server.ts";
import { runTool } from "../tool.ts";

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
