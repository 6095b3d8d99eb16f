// The image of the scaler, run as the 2023 contest runs it: two containers of one network namespace, the first by its run.sh. Skipped, saying why,
// where there is no engine.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { runCommand, succeeds } from "../command.ts";
import { type Engine, openEngine } from "./engine.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
const SETUP_TIMEOUT_MS = 600_000;
const RUN_TIMEOUT_MS = 120_000;
const IMAGE = `locus-scaler-test-${process.pid}`;
const CONTAINER = `${IMAGE}-pod`;

let engine: Engine | undefined;
let obstacle = "";
const say = (text: string): void => void process.stderr.write(`scaler image: ${text}\n`);
const options = (timeoutMs: number) => ({ directory: REPOSITORY, timeoutMs, environment: engine?.environment ?? {} });
const docker = (...argv: readonly string[]): Promise<string> =>
  runCommand(["docker", ...argv], options(RUN_TIMEOUT_MS));

beforeAll(async () => {
  try {
    engine = await openEngine(say);
  } catch (error) {
    obstacle = (error as Error).message;
    say(`not tested: ${obstacle}`);
    return;
  }
  say("building the image (minutes)");
  await runCommand(["docker", "build", "--target=scaler", `--tag=${IMAGE}`, "."], options(SETUP_TIMEOUT_MS));
}, SETUP_TIMEOUT_MS);

beforeEach(({ skip }) => skip(engine === undefined, obstacle));

afterAll(async () => {
  if (engine === undefined) return;
  await succeeds(["docker", "rm", "--force", CONTAINER], options(RUN_TIMEOUT_MS));
  await succeeds(["docker", "rmi", "--force", IMAGE], options(RUN_TIMEOUT_MS));
  await engine.close();
}, SETUP_TIMEOUT_MS);

test("the scaler starts, serves the simulator, and ends with it", { timeout: RUN_TIMEOUT_MS }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "locus-data-"));
  try {
    // Of this user alone as it was made, and the container has another.
    chmodSync(folder, 0o755);
    const set = join(folder, "small");
    mkdirSync(set);
    const meta = { key: "f", runtime: "go", memoryInMb: 128, timeoutInSecs: 60, initDurationInMs: 10 };
    writeFileSync(join(set, "metas"), `${JSON.stringify(meta)}\n`);
    const request = { metaKey: "f", startTime: 1, durationsInMs: 20, statusCode: 200 };
    // It goes on for as long as run.sh needs to see its port.
    const requests = Array.from({ length: 50 }, (_, index) =>
      JSON.stringify({ ...request, startTime: 1 + index * 100 }),
    );
    writeFileSync(join(set, "requests"), `${requests.join("\n")}\n`);
    const confined = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
    await docker("run", "--detach", "--init", "--network=none", `--name=${CONTAINER}`, ...confined, IMAGE);
    const mount = `--volume=${folder}:/tmp/data:ro`;
    const played = await docker(
      "run",
      "--rm",
      `--network=container:${CONTAINER}`,
      ...confined,
      mount,
      IMAGE,
      "./simulator",
      "small",
    );
    expect(played).toContain('"event":"ended"');
    expect(played).toContain('"failedRequestsCount":0');
    expect((await docker("wait", CONTAINER)).trim()).toBe("0");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
