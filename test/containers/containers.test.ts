// The containers, brought up as the README says, in a real engine. Where there is none and none can be had, all of it is
// skipped, and the reason is told on stderr.

import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCommand, succeeds } from "./command.ts";
import { type Engine, openEngine } from "./engine.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
/** Installing an engine and making a base image, then building both images: minutes on a machine that has nothing yet. */
const SETUP_TIMEOUT_MS = 600_000;
const COMMAND_TIMEOUT_MS = 120_000;
const NODES = ["compute1", "compute2"];

let engine: Engine | undefined;
let obstacle = "";

beforeAll(async () => {
  try {
    engine = await openEngine(say);
  } catch (error) {
    obstacle = (error as Error).message;
    say(`not tested: ${obstacle}`);
    return;
  }
  say("building the images and starting the containers (minutes)");
  await run("./build.sh", "compose");
}, SETUP_TIMEOUT_MS);

beforeEach(({ skip }) => skip(engine === undefined, obstacle));

afterAll(async () => {
  if (engine === undefined) return;
  if (!(await runs("docker", "compose", "down", "--volumes"))) await run("docker-compose", "down", "--volumes");
  await engine.close();
}, SETUP_TIMEOUT_MS);

const say = (text: string): void => void process.stderr.write(`containers: ${text}\n`);
const options = (timeoutMs: number) => ({
  directory: REPOSITORY,
  timeoutMs,
  ...(engine === undefined ? {} : { environment: engine.environment }),
});
const run = (...argv: readonly string[]): Promise<string> => runCommand(argv, options(SETUP_TIMEOUT_MS));
const runs = (...argv: readonly string[]): Promise<boolean> => succeeds(argv, options(COMMAND_TIMEOUT_MS));
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
    const states = await Promise.all([8080, 8081].map((port) => fetch(`http://127.0.0.1:${port}/readyz`)));
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
