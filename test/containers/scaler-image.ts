// The images of the scaler and the simulator, run as the 2023 contest runs them: the containers of its job, in one network namespace as those of a pod are.

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { useEngine } from "./use-engine.ts";

const JOB = join(import.meta.dirname, "..", "..", "deploy", "serverless-simulation.yaml");
const RUN_TIMEOUT_MS = 180_000;
/** Each image is of the stage that it is named by. */
const TEST = `locus-scaler-test-${process.pid}`;
/** As a contest's own would be: it knows of nothing but the scaler's name, two ports and netcat. */
const FOREIGN_RUN = `#!/bin/bash
./scaler &
pid=$!
while ! nc -z localhost 9001; do sleep 1; done
while ! nc -z localhost 9000; do sleep 1; done
while nc -z localhost 9000; do sleep 1; done
kill -9 $pid
exit 0
`;

interface Container {
  readonly name: string;
  readonly image: `locus-${string}`;
  readonly command: readonly [string, ...string[]];
  readonly args?: readonly string[];
  readonly securityContext: {
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: { readonly drop: readonly string[] };
  };
}
const pod = (
  parse(readFileSync(JOB, "utf8")) as {
    readonly spec: {
      readonly template: {
        readonly spec: {
          readonly securityContext: { readonly runAsUser: number };
          readonly containers: readonly Container[];
        };
      };
    };
  }
).spec.template.spec;

const engine = useEngine("scaler images", {
  setUp: async () => {
    engine.say("building the images (minutes)");
    for (const container of pod.containers) {
      await engine.run("docker", "build", `--target=${stageOf(container)}`, `--tag=${imageOf(container)}`, ".");
    }
  },
  tearDown: async () => void (await engine.runs("docker", "rmi", "--force", ...pod.containers.map(imageOf))),
});
const docker = (...argv: readonly string[]): Promise<string> => engine.run("docker", ...argv);
const nameOf = (container: string): string => `${TEST}-${container}`;

const stageOf = ({ image }: Container): string => image.slice("locus-".length);
const imageOf = (container: Container): string => `${TEST}-image-${stageOf(container)}`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-data-"));
  // Of this user alone as it was made, and the containers have another.
  chmodSync(folder, 0o755);
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  for (const { name } of pod.containers) await engine.runs("docker", "rm", "--force", "--volumes", nameOf(name));
});

/** Starts one of the job's containers with what the job says of it; `more` is what a cluster would add. */
async function start(
  name: string,
  network: string,
  more: readonly string[],
  args: readonly string[] = [],
): Promise<void> {
  const container = pod.containers.find((one) => one.name === name);
  if (container === undefined) throw new Error(`the job has no container ${name}`);
  const { command, securityContext: context } = container;
  const [entrypoint, ...rest] = command;
  const confined = [
    `--user=${pod.securityContext.runAsUser}`,
    ...(context.readOnlyRootFilesystem ? ["--read-only"] : []),
    ...(context.allowPrivilegeEscalation ? [] : ["--security-opt=no-new-privileges"]),
    ...context.capabilities.drop.map((capability) => `--cap-drop=${capability}`),
  ];
  const options = ["--detach", "--init", `--name=${nameOf(name)}`, `--network=${network}`, ...confined, ...more];
  const image = imageOf(container);
  await docker("run", ...options, `--entrypoint=${entrypoint}`, image, ...rest, ...(container.args ?? []), ...args);
}
const exitCode = async (name: string): Promise<string> => (await docker("wait", nameOf(name))).trim();
/** The simulator's lines of one kind. */
const told = async (event: string): Promise<readonly Record<string, unknown>[]> =>
  (await docker("logs", nameOf("serverless-simulator")))
    .split("\n")
    .filter((line) => line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test(
  "the job's containers play a synthetic trace where no data is mounted, and end",
  { timeout: RUN_TIMEOUT_MS },
  async () => {
    await start("scaler", "none", []);
    await start("serverless-simulator", `container:${nameOf("scaler")}`, [
      "--tmpfs=/tmp/data",
      "--env=LOCUS_TRACE_SECONDS=20",
    ]);
    const ask = "fetch('http://127.0.0.1:9000/').then((reply) => reply.text()).then(console.log)";
    const statistics = await vi.waitUntil(
      async () => {
        const printed = await docker("exec", nameOf("scaler"), "node", "-e", ask).catch(() => "[]");
        return (JSON.parse(printed) as Record<string, unknown>[])[0];
      },
      { timeout: 60_000 },
    );
    expect(statistics).toMatchObject({ requestFilePath: expect.stringContaining("synthetic"), failedRequestsCount: 0 });
    expect(await exitCode("serverless-simulator")).toBe("0");
    expect(await exitCode("scaler")).toBe("0");
    const [ended] = await told("ended");
    expect(ended).toMatchObject({ failedRequestsCount: 0, totalRequestsCount: statistics["totalRequestsCount"] });
    expect(ended?.["score"]).toBeGreaterThan(0);
  },
);

test(
  "the contest's own run.sh starts the scaler, and a mounted data set is played to it",
  { timeout: RUN_TIMEOUT_MS },
  async () => {
    const set = join(folder, "data", "small");
    mkdirSync(set, { recursive: true });
    const meta = { key: "f", runtime: "go", memoryInMb: 128, timeoutInSecs: 60, initDurationInMs: 10 };
    writeFileSync(join(set, "metas"), `${JSON.stringify(meta)}\n`);
    const request = { metaKey: "f", startTime: 1, durationsInMs: 20, statusCode: 200 };
    // It goes on for as long as run.sh needs to see its port.
    const requests = Array.from({ length: 50 }, (_, index) =>
      JSON.stringify({ ...request, startTime: 1 + index * 100 }),
    );
    writeFileSync(join(set, "requests"), `${requests.join("\n")}\n`);
    writeFileSync(join(folder, "run.sh"), FOREIGN_RUN, { mode: 0o755 });
    await start("scaler", "none", [`--volume=${join(folder, "run.sh")}:/run.sh:ro`]);
    const data = `--volume=${join(folder, "data")}:/tmp/data:ro`;
    await start("serverless-simulator", `container:${nameOf("scaler")}`, [data], ["small"]);
    expect(await exitCode("serverless-simulator")).toBe("0");
    expect(await exitCode("scaler")).toBe("0");
    expect(await told("ended")).toMatchObject([{ totalRequestsCount: 50, failedRequestsCount: 0 }]);
  },
);
