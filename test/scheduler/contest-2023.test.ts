// The 2023 contest's scaler, driven by a client that knows the contract only, with a Platform that compares what it is asked with what it has.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { platformService } from "#scheduler/grpc/platform-service.ts";
import { OwnedProcess } from "../owned-process.ts";
import { clientAt, failureOf, type ContestClient } from "./contest-client.ts";
import { serve } from "./served.ts";
import { TestPlatform } from "./slot-platform.ts";

const PROGRAM = join(import.meta.dirname, "..", "..", "scheduler", "main-scaler.ts");
const META = { key: "nodes1", runtime: "go", timeout_in_secs: 627, memory_in_mb: 512 };

let resources: AsyncDisposableStack;
let platform: TestPlatform;
let folder: string;
let platformEndpoint: string;
beforeEach(async () => {
  resources = new AsyncDisposableStack();
  platform = new TestPlatform();
  platformEndpoint = (await serve(resources, { "serverless.simulator.Platform": platformService(platform) })).endpoint;
  folder = mkdtempSync(join(tmpdir(), "locus-scaler-"));
  resources.defer(() => rmSync(folder, { recursive: true }));
});
afterEach(() => resources.disposeAsync());

interface Assigned {
  readonly request_id: string;
  readonly meta_key: string;
  readonly instance_id: string;
}

interface Started {
  readonly client: ContestClient;
  readonly port: number;
  /** On its standard output and error so far. */
  readonly said: () => string;
  /** Tells it to end; its exit code. */
  readonly ended: (how?: "SIGTERM" | "SIGKILL") => Promise<number | NodeJS.Signals>;
}

async function startScaler(
  settings: Readonly<Record<string, string>> = { LOCUS_POLICY: "reference" },
): Promise<Started> {
  const logPath = join(mkdtempSync(join(folder, "log-")), "log");
  const own = { LOCUS_PLATFORM_ENDPOINT: platformEndpoint, LOCUS_SCALER_PORT: "0" };
  const program = new OwnedProcess({
    argv: [process.execPath, PROGRAM],
    environment: { PATH: process.env["PATH"], ...own, ...settings },
    logPath,
    stopTimeoutMs: 20_000,
  });
  resources.defer(() => program.stop());
  const said = (): string => readFileSync(logPath, "utf8");
  const port = await vi.waitUntil(() => /"port":(\d+)/.exec(said())?.[1]);
  const client = clientAt(resources, `127.0.0.1:${port}`)("serverless.simulator.Scaler");
  const ended = async (how?: "SIGTERM" | "SIGKILL"): Promise<number | NodeJS.Signals> => {
    await program.stop(how);
    return program.ended;
  };
  return { client, port: Number(port), said, ended };
}

async function assign(client: ContestClient, request_id: string): Promise<Assigned> {
  const reply = await client.call("Assign", { request_id, timestamp: Date.now(), meta_data: META });
  expect(reply["status"]).toBe("Ok");
  return reply["assigment"] as Assigned;
}
const idle = (client: ContestClient, assigment: object, result: object = { status_code: 200, duration_in_ms: 50 }) =>
  client.call("Idle", { assigment, result });

test("makes an instance of a new slot, uses it again, and another only while that one is busy", async () => {
  const { client } = await startScaler();
  const first = await assign(client, "r1");
  expect(first).toMatchObject({ request_id: "r1", meta_key: "nodes1" });
  expect([...platform.slots.values()]).toEqual([{ memoryMb: 512, instanceId: first.instance_id }]);
  await idle(client, first);
  const again = await assign(client, "r2");
  expect(again.instance_id).toBe(first.instance_id);
  const other = await assign(client, "r3");
  expect(other.instance_id).not.toBe(first.instance_id);
  expect(platform.created).toBe(2);
});

test("destroys an instance that is not fit for more, and says so of one that is gone", async () => {
  const { client } = await startScaler();
  const assigned = await assign(client, "r1");
  expect(await idle(client, assigned, { status_code: 408, need_destroy: true, reason: "bad instance" })).toEqual({
    status: "Ok",
  });
  await vi.waitUntil(() => platform.slots.size === 0);
  expect((await failureOf(idle(client, assigned))).code).toBe("NOT_FOUND");
  expect((await assign(client, "r2")).instance_id).not.toBe(assigned.instance_id);
});

test("destroys later what the platform did not destroy before, though nothing else happens", async () => {
  const { client } = await startScaler();
  const assigned = [await assign(client, "r1"), await assign(client, "r2")];
  platform.isBusy = true;
  for (const one of assigned) await idle(client, one, { status_code: 408, need_destroy: true });
  await vi.waitUntil(() => platform.refusals >= 2);
  expect(platform.slots.size).toBe(2);
  platform.isBusy = false;
  await vi.waitUntil(() => platform.slots.size === 0, { timeout: 60_000 });
});

test("destroys when it ends what the platform did not destroy before", async () => {
  const { client, ended } = await startScaler();
  const assigned = await assign(client, "r1");
  platform.isBusy = true;
  await idle(client, assigned, { status_code: 408, need_destroy: true });
  await vi.waitUntil(() => platform.refusals >= 1);
  platform.isBusy = false;
  expect(await ended()).toBe(0);
  expect(platform.slots.size).toBe(0);
});

test("takes no instance from a request that has it", async () => {
  const { client } = await startScaler();
  const assigned = await assign(client, "r1");
  expect(await idle(client, assigned)).toEqual({ status: "Ok" });
  expect(await idle(client, assigned)).toEqual({ status: "Ok" });
  const next = await assign(client, "r2");
  expect(next.instance_id).toBe(assigned.instance_id);
  expect(await idle(client, assigned)).toMatchObject({ status: "InvalidAssigment" });
  expect(await idle(client, { ...assigned, meta_key: "unknown" })).toMatchObject({ status: "InternalError" });
  expect(await idle(client, next)).toEqual({ status: "Ok" });
});

test("knows after it was killed what it had learned", async () => {
  const file = join(folder, "state.json");
  const settings = { LOCUS_POLICY: "forecast", LOCUS_SCHEDULER_STATE: file };
  const state = () => JSON.parse(readFileSync(file, "utf8")) as { readonly functions: Record<string, object> };
  const { client, ended } = await startScaler(settings);
  await idle(client, await assign(client, "r1"));
  await vi.waitUntil(() => existsSync(file) && META.key in state().functions);
  await ended("SIGKILL");
  const before = state();
  const marked = JSON.stringify(before, null, 2);
  writeFileSync(file, marked);
  // Nobody calls the next one, which writes what it knows when it ends.
  expect(await (await startScaler(settings)).ended()).toBe(0);
  expect(readFileSync(file, "utf8")).not.toBe(marked);
  expect(state().functions).toEqual(before.functions);
});

test("tells of a state that it cannot read, and learns anew", async () => {
  const file = join(folder, "state.json");
  writeFileSync(file, "{");
  const { client, said, ended } = await startScaler({ LOCUS_SCHEDULER_STATE: file });
  expect(said()).toMatch(/"event":"state","reason":"[^"]*cannot be read, and is learned again/);
  await idle(client, await assign(client, "r1"));
  await ended();
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ functions: { [META.key]: {} } });
});

test("leaves no slot of a function that cannot be initialised", async () => {
  const { client } = await startScaler();
  const stop = new AbortController();
  const failed = failureOf(
    client.call("Assign", { request_id: "r1", meta_data: { ...META, key: platform.broken } }, { signal: stop.signal }),
  );
  await vi.waitFor(() => expect(platform.reasons).toContain("it was not initialised"));
  stop.abort();
  await failed;
  await vi.waitUntil(() => platform.slots.size === 0);
});

test("refuses who waits for an instance that fails again and again, and serves him when the next one comes about", async () => {
  const { client } = await startScaler();
  const key = platform.broken;
  const assignAgain = () =>
    client.call("Assign", { request_id: "r1", meta_data: { ...META, key } }).then(({ status }) => status);
  const failed = await failureOf(assignAgain());
  expect(failed).toMatchObject({
    code: "INTERNAL",
    message: expect.stringMatching(/3 starts in a row have failed, the last with .*a slot of 512 MB for broken/),
    metadata: { "locus-code": "INSTANCE_FAILED" },
  });
  expect([platform.created, platform.slots.size]).toEqual([3, 0]);
  // Who comes now is told of the next one.
  expect((await failureOf(assignAgain())).message).toContain("4 starts in a row");
  platform.broken = "another";
  expect(await assignAgain()).toBe("Ok");
  // Another function never waited for it.
  await assign(client, "r2");
});

test("refuses a function whose memory makes no sense at once, and has no slot made for it", async () => {
  const { client } = await startScaler();
  for (const memory_in_mb of [0, 2 ** 20 + 1, "18446744073709551615"]) {
    const assigned = client.call("Assign", { request_id: "r1", meta_data: { ...META, memory_in_mb } });
    expect((await failureOf(assigned)).code).toBe("INVALID_ARGUMENT");
  }
  await assign(client, "r2");
  expect(platform.created).toBe(1);
});

test.each(["forecast", "hybrid-histogram", "greedy-dual"])("serves the same with the policy %s", async (policy) => {
  const { client, ended } = await startScaler({ LOCUS_POLICY: policy });
  const assigned = await assign(client, "r1");
  expect(await idle(client, assigned)).toEqual({ status: "Ok" });
  await assign(client, "r2");
  await ended();
  expect(platform.slots.size).toBe(0);
});

test("tells its metrics to people, where it is told a port", async () => {
  const { client, said } = await startScaler({ LOCUS_POLICY: "forecast", LOCUS_METRICS_PORT: "0" });
  const url = `http://127.0.0.1:${/"metricsPort":(\d+)/.exec(said())?.[1]}/metrics`;
  const metrics = async (): Promise<readonly string[]> => (await (await fetch(url)).text()).split("\n");
  const assigned = [await assign(client, "r1"), await assign(client, "r2")];
  expect(await metrics()).toEqual(
    expect.arrayContaining([
      'locus_instances{state="busy"} 2',
      "locus_instance_starts_total 2",
      "locus_scheduler_waiting 0",
      // A platform has no end of room.
      'locus_node_utilisation{node="platform",resource="memory"} 0',
      "locus_packing_waste 1",
    ]),
  );
  for (const one of assigned) await idle(client, one);
  // Calls that come again and again after a pause of more than two starts' time: some of these it has to have seen before it forecasts any.
  await vi.waitFor(
    async () => {
      await idle(client, await assign(client, "r"));
      const told = (await metrics()).find((line) => line.startsWith(`locus_forecast_error{function="${META.key}"} `));
      expect(Number(told?.split(" ")[1])).toBeGreaterThanOrEqual(0);
    },
    { timeout: 60_000, interval: 500 },
  );
});

test("ends in good order when it is told to, and gives its slots back", async () => {
  const { client, port, ended } = await startScaler();
  const { request_id } = await assign(client, "r1");
  expect(request_id).toBe("r1");
  expect(await ended()).toBe(0);
  expect([platform.slots.size, platform.reasons]).toEqual([0, ["the scaler ends"]]);
  const refused = await new Promise((resolve) =>
    createConnection(port, "127.0.0.1").on("error", resolve).on("connect", resolve),
  );
  expect(refused).toMatchObject({ code: "ECONNREFUSED" });
});

test.each([
  [
    "main-scaler.ts",
    { LOCUS_POLISY: "reference", LOCUS_SCALER_PORT: "many", LOCUS_GRPC_CERT: "/nowhere.pem" },
    ["LOCUS_SCALER_PORT", "LOCUS_GRPC_CERT", "LOCUS_POLISY"],
  ],
  ["main-scheduler.ts", { SERVICE_PORT: "-1" }, ["SERVICE_PORT", "RESOURCE_MANAGER_ENDPOINT"]],
])("%s tells every mistake of its settings at once, and does not start", async (file, environment, variables) => {
  const starting = new OwnedProcess({
    argv: [process.execPath, join(PROGRAM, "..", file)],
    environment: { PATH: process.env["PATH"], ...environment },
    logPath: join(folder, file),
    stopTimeoutMs: 5_000,
  });
  expect(await starting.ended).toBe(1);
  for (const variable of variables) expect(starting.logTail()).toContain(variable);
});
