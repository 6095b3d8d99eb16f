// A real node whose instances are containers, in a real engine: what calls come to, who runs them, and what is left when one dies, or the node. Its
// containers share the machine's network, by which they reach the test's Redis.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { containerTerms } from "#scheduler/driver/container-terms.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { runTool } from "#test/tool.ts";
import { cpusOf, die, joined, processOf, spin, where, withGraph } from "../compute/instance-functions.ts";
import { call, deploy, said } from "../compute/node-client.ts";
import { baseImageName } from "./stand-in-image.ts";
import { useEngine } from "./use-engine.ts";

const DEFAULT_SOCKET = "/var/run/docker.sock";
/** An engine takes its time. */
const LONG = { timeout: 60_000, interval: 200 };

let redis: RedisServer;
let nodes: NodeProcess[];

const engine = useEngine("node of containers", { tearDown: async () => {} });
const socketPath = (): string => engine.environment["DOCKER_HOST"]?.replace(/^unix:\/\//, "") ?? DEFAULT_SOCKET;
/** Names, and states, of instances' containers. */
const containers = async (): Promise<readonly string[]> => {
  const format = "{{.Names}} {{.State}}";
  const text = await engine.run("docker", "ps", "--all", "--format", format, "--filter", "label=locus.owner");
  return text.split("\n").filter((line) => line !== "");
};

beforeEach(async () => {
  redis = await startRedisServer();
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.end("SIGTERM")));
  await redis.close();
});

const startNode = (settings: Record<string, string> = {}): Promise<NodeProcess> =>
  startNodeOver(redis, (node) => nodes.push(node), {
    LOCUS_PLACEMENT: "declared",
    LOCUS_DRIVER: "docker",
    LOCUS_DOCKER_SOCKET: socketPath(),
    LOCUS_DOCKER_NETWORK: "host",
    LOCUS_NODE_CPUS: "1",
    ...settings,
  });

describe("a node whose instances are containers", { timeout: 180_000 }, () => {
  test("runs a walk with the same result on both sides, and a function in a container, with quotas that follow", async () => {
    const node = await startNode();
    await withGraph(redis.client());
    const locus = (...argv: readonly string[]) => runTool("locus", argv, { LOCUS_URL: node.url });
    expect(await locus("deploy", "functions/khop.ts")).toMatchObject({ status: 0 });
    for (const bundle of [where, spin]) await deploy(node, bundle);
    await joined(node);
    const walk = async (side: string) =>
      (await locus("call", "khop", '{"nodeId":"1","depth":4}', "--side", side)).stdout;
    const walked = await walk("storage");
    expect(JSON.parse(walked)).toMatchObject({ visited: 8 });
    // Where an engine takes longer to start one than a call may wait, the call runs without, and the next has it.
    await vi.waitFor(async () => {
      expect(await walk("compute")).toBe(walked);
      expect(await containers()).toContainEqual(expect.stringMatching(/^locus-[0-9a-f]{12}-\S+ running$/));
    }, LONG);
    await vi.waitFor(async () => {
      await Promise.all(Array.from({ length: 8 }, () => call(node, "spin", "compute", 30_000)));
      expect((await cpusOf(node, "granted"))["spin"]).toBeGreaterThan(0);
      expect((await cpusOf(node, "used"))["spin"]).toBeGreaterThan(0);
    }, LONG);
    // What the log says of it: the image that the engine was found to have.
    expect(node.log()).toContain(`"image":"${baseImageName()}"`);
    expect(said(node)).toContainEqual(expect.stringContaining("set LOCUS_FUNCTION_USER"));
    await node.end("SIGTERM");
    expect(await containers()).toEqual([]);
  });

  test("tells a call that its instance died under it, and has another for the next", async () => {
    const node = await startNode();
    for (const bundle of [where, die]) await deploy(node, bundle);
    await joined(node);
    await vi.waitFor(async () => {
      expect((await call(node, "die", "compute", 30_000)).body).toMatchObject({ code: "SANDBOX_DIED" });
    }, LONG);
    // What is started in the place of the one that died takes its time, and a call that it takes too long runs without.
    const name = await vi.waitFor(async () => {
      await processOf(node);
      const running = (await containers()).find((line) => line.endsWith(" running"));
      expect(running).toBeDefined();
      return running!.split(" ")[0]!;
    }, LONG);
    await engine.run("docker", "kill", name);
    await vi.waitFor(async () => {
      expect(await processOf(node)).toBeGreaterThan(0);
      expect((await containers()).join()).not.toContain(name);
    }, LONG);
  });

  test("leaves nothing running when it is killed, and the next one removes what is left", async () => {
    const killed = await startNode();
    await deploy(killed, where);
    await joined(killed);
    expect(await containers()).toContainEqual(expect.stringContaining(" running"));
    await killed.end("SIGKILL");
    await vi.waitFor(async () => {
      expect((await containers()).filter((line) => line.endsWith(" running"))).toEqual([]);
    }, LONG);
    await startNode();
    expect((await containers()).filter((line) => line.endsWith(" exited"))).toEqual([]);
  });

  test("says what the engine lacks, and does not start", async () => {
    const started = (settings: Record<string, string>): Promise<string> =>
      startNode(settings).then(
        () => "started",
        (error: Error) => error.message,
      );
    expect(await started({ LOCUS_DOCKER_IMAGE: "no-such-image:ever" })).toContain("has no image no-such-image:ever");
    expect(await started({ LOCUS_REDIS_HOST: "storage", LOCUS_DOCKER_NETWORK: "no-such-network" })).toContain(
      "has no network no-such-network",
    );
  });
});

test("containers are of this Node's official image, and in the engine's own network, unless somebody says otherwise", async () => {
  expect(await containerTerms(socketPath(), { image: null, network: null })).toEqual({
    image: baseImageName(),
    network: "bridge",
  });
  const given = { image: baseImageName(), network: "host" };
  expect(await containerTerms(socketPath(), given)).toEqual(given);
});
