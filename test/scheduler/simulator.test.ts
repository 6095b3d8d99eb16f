// The 2023 contest's simulator and scaler as programs, talking to each other over gRPC, started as the contest's run.sh starts them.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LocusError } from "#runtime/errors.ts";
import { RealTimePlatform } from "#scheduler/simulator/real-time-platform.ts";
import { freePort } from "../free-port.ts";
import { OwnedProcess } from "../owned-process.ts";
import { clientAt } from "./contest-client.ts";
import { ForeignScaler } from "./foreign-scaler.ts";
import { answersAt, type GuardedAnswers, makeGuard, pageAnswersAt } from "./guard.ts";

const SCHEDULER = join(import.meta.dirname, "..", "..", "scheduler");
const METAS = [
  { key: "quick", runtime: "go", memoryInMb: 512, timeoutInSecs: 60, initDurationInMs: 20 },
  { key: "slow", runtime: "java", memoryInMb: 1_024, timeoutInSecs: 60, initDurationInMs: 200 },
];
/** When it comes, ms; which function's; how long it runs, ms; what it comes to, 200 where nothing is said. */
type Request = readonly [atMs: number, metaKey: string, durationMs: number, statusCode?: number];
/** Two of `quick` apart, two at once, and one of `slow`. */
const REQUESTS: readonly Request[] = [
  [0, "quick", 30],
  [300, "quick", 30],
  [600, "quick", 60],
  [610, "quick", 60],
  [700, "slow", 100],
];

let folder: string;
const resources = { stack: new AsyncDisposableStack() };
beforeEach(() => {
  resources.stack = new AsyncDisposableStack();
  folder = mkdtempSync(join(tmpdir(), "locus-simulator-"));
  resources.stack.defer(() => rmSync(folder, { recursive: true }));
});
afterEach(() => resources.stack.disposeAsync());

const start = (
  program: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
): OwnedProcess => {
  const started = new OwnedProcess({
    argv: [process.execPath, join(SCHEDULER, program), ...argv],
    environment: { PATH: process.env["PATH"], ...environment },
    logPath: join(folder, program),
    stopTimeoutMs: 20_000,
  });
  resources.stack.defer(() => started.stop());
  return started;
};

function writeDataSet(name: string, played = REQUESTS, metas: readonly object[] = METAS): void {
  const set = join(folder, "data", name);
  mkdirSync(set, { recursive: true });
  const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  writeFileSync(join(set, "metas"), lines(metas));
  const requests = played.map(([at, metaKey, durationsInMs, statusCode = 200]) => ({
    metaKey,
    startTime: 1_685_980_824_304 + at,
    durationsInMs,
    statusCode,
  }));
  writeFileSync(join(set, "requests"), lines(requests));
}

interface Said {
  readonly event: string;
  readonly [field: string]: unknown;
}
const saidBy = (program: string): readonly Said[] =>
  readFileSync(join(folder, program), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Said);

test("the simulator plays a data set to our scaler, tells how it stands, and ends", async () => {
  writeDataSet("one");
  const [scalerPort, platformPort, statisticsPort] = [await freePort(), await freePort(), await freePort()];
  const scaler = start("main-scaler.ts", [], {
    LOCUS_SCALER_PORT: String(scalerPort),
    LOCUS_PLATFORM_ENDPOINT: `127.0.0.1:${platformPort}`,
    LOCUS_POLICY: "reference",
  });
  const simulator = start("main-simulator.ts", ["one"], {
    LOCUS_PLATFORM_PORT: String(platformPort),
    LOCUS_STATISTICS_PORT: String(statisticsPort),
    LOCUS_SCALER_ENDPOINT: `127.0.0.1:${scalerPort}`,
    LOCUS_DATA_DIR: join(folder, "data"),
  });
  const live = await vi.waitUntil(
    async () => {
      const response = await fetch(`http://127.0.0.1:${statisticsPort}/`).catch(() => null);
      const runs = ((await response?.json()) ?? []) as readonly Said[];
      return runs[0];
    },
    { timeout: 60_000 },
  );
  expect(live).toMatchObject({ endTime: "not end yet", totalRequestsCount: REQUESTS.length });
  expect(await simulator.ended).toBe(0);
  const ended = saidBy("main-simulator.ts").find(({ event }) => event === "ended");
  expect(ended).toMatchObject({
    requestFilePath: expect.stringMatching(/one\/requests$/),
    failedRequestsCount: 0,
    successRate: 1,
    totalLiveSlotCount: 0,
    invocationExecutionTimeInSecs: expect.closeTo(0.28, 6),
  });
  const { score, totalSlotTimeInGBs, invocationScheduleTimeInSecs } = ended as Said & Record<string, number>;
  // Two slots of `quick` and one of `slow`: three starts were waited for.
  expect(invocationScheduleTimeInSecs).toBeGreaterThan(0.3);
  expect(totalSlotTimeInGBs).toBeGreaterThan(0.5);
  expect(score).toBeGreaterThan(0);
  expect(score).toBeLessThan(100);
  expect(scaler.isRunning).toBe(true);
});

/** What the contest's simulator tells of a data set, each field with its name and its kind. */
const CONTEST_STATISTICS = {
  id: expect.any(String),
  requestFilePath: expect.any(String),
  metaFilePath: expect.any(String),
  startTime: expect.any(String),
  endTime: expect.any(String),
  totalRequestsCount: expect.any(Number),
  failedRequestsCount: expect.any(Number),
  successRate: expect.any(Number),
  invocationLatencyInSecs: expect.any(Number),
  invocationExecutionTimeInSecs: expect.any(Number),
  invocationExecutionTimeInGBs: expect.any(Number),
  invocationScheduleTimeInSecs: expect.any(Number),
  invocationIdleTimeInSecs: expect.any(Number),
  totalSlotTimeInGBs: expect.any(Number),
  totalLiveSlotCount: expect.any(Number),
  score: expect.any(Number),
};

test("the simulator's statistics are the contest's, field by field, and its score follows from them", async () => {
  writeDataSet("first");
  // Of another function: the slots of the first are gone, and no Scaler hears of it. It goes on for as long as the first is looked at.
  const later = [{ ...METAS[0], key: "later" }];
  writeDataSet(
    "second",
    [0, 60_000].map((at): Request => [at, "later", 10]),
    later,
  );
  const [scalerPort, platformPort, statisticsPort] = [await freePort(), await freePort(), await freePort()];
  start("main-scaler.ts", [], {
    LOCUS_SCALER_PORT: String(scalerPort),
    LOCUS_PLATFORM_ENDPOINT: `127.0.0.1:${platformPort}`,
    LOCUS_POLICY: "reference",
  });
  const begunMs = Date.now();
  start("main-simulator.ts", ["first", "second"], {
    LOCUS_PLATFORM_PORT: String(platformPort),
    LOCUS_STATISTICS_PORT: String(statisticsPort),
    LOCUS_SCALER_ENDPOINT: `127.0.0.1:${scalerPort}`,
    LOCUS_DATA_DIR: join(folder, "data"),
  });
  const told = await vi.waitUntil(async () => {
    const response = await fetch(`http://127.0.0.1:${statisticsPort}/`).catch(() => null);
    expect(response?.headers.get("content-type") ?? "application/json").toBe("application/json");
    const runs = ((await response?.json()) ?? []) as readonly Record<keyof typeof CONTEST_STATISTICS, unknown>[];
    return runs.length === 2 ? runs : null;
  });
  expect(told).toEqual([CONTEST_STATISTICS, CONTEST_STATISTICS]);
  for (const one of told) expect(Object.keys(one)).toEqual(Object.keys(CONTEST_STATISTICS));
  expect(new Set(told.map(({ id }) => id)).size).toBe(2);
  const [first, second] = told;
  const folderOf = (name: string): string => join(folder, "data", name);
  expect(first).toMatchObject({
    requestFilePath: join(folderOf("first"), "requests"),
    metaFilePath: join(folderOf("first"), "metas"),
    totalRequestsCount: 5,
    failedRequestsCount: 0,
    successRate: 1,
    // 30, 30, 60, 60 and 100 ms; in half a GB those of `quick`, in one that of `slow`.
    invocationExecutionTimeInSecs: expect.closeTo(0.28, 9),
    invocationExecutionTimeInGBs: expect.closeTo(0.19, 9),
    totalLiveSlotCount: 0,
  });
  expect(second).toMatchObject({
    requestFilePath: join(folderOf("second"), "requests"),
    endTime: "not end yet",
    totalRequestsCount: 2,
    failedRequestsCount: 0,
  });
  const [startMs, endMs] = [Date.parse(String(first!.startTime)), Date.parse(String(first!.endTime))];
  expect(startMs).toBeGreaterThanOrEqual(begunMs);
  // The last request comes after 700 ms, and takes 400 to start and to run.
  expect(endMs - startMs).toBeGreaterThan(1_000);
  const figure = (name: keyof typeof CONTEST_STATISTICS): number => first![name] as number;
  const [execution, schedule] = [figure("invocationExecutionTimeInSecs"), figure("invocationScheduleTimeInSecs")];
  const [idle, slots] = [figure("invocationIdleTimeInSecs"), figure("totalSlotTimeInGBs")];
  expect(idle).toBeGreaterThan(0);
  // The first instance of `quick` takes 0.12 s, that of `slow` 0.3 s.
  expect(schedule).toBeGreaterThan(0.4);
  // The first slot is there from the first request on, until all are destroyed after the last.
  expect(slots).toBeGreaterThan(0.5);
  expect(figure("invocationLatencyInSecs")).toBeCloseTo(execution + schedule + idle, 9);
  const resources50 = (figure("invocationExecutionTimeInGBs") / slots) * 50;
  const coldStarts50 = (execution / (execution + schedule + idle)) * 50;
  expect(figure("score")).toBeCloseTo(resources50 + coldStarts50, 9);
});

test("the simulator and the scaler are heard by nobody who is not trusted, and trust each other", async () => {
  writeDataSet("one");
  const guard = makeGuard(folder);
  const [scalerPort, platformPort] = [await freePort(), await freePort()];
  const simulator = start("main-simulator.ts", ["one"], {
    ...guard.settings,
    LOCUS_PLATFORM_PORT: String(platformPort),
    LOCUS_STATISTICS_PORT: "0",
    LOCUS_SCALER_ENDPOINT: `127.0.0.1:${scalerPort}`,
    LOCUS_DATA_DIR: join(folder, "data"),
  });
  await vi.waitUntil(() => saidBy("main-simulator.ts").some(({ event }) => event === "listening"));
  const answers = (port: number, service: string, method: string): Promise<GuardedAnswers> =>
    answersAt(resources.stack, guard, `127.0.0.1:${port}`, `serverless.simulator.${service}`, method);
  const expected = {
    plain: "UNAVAILABLE",
    distrusting: "UNAVAILABLE",
    withoutSecret: "UNAUTHENTICATED",
    withAll: "INVALID_ARGUMENT",
  };
  expect(await answers(platformPort, "Platform", "CreateSlot")).toEqual(expected);
  const { statisticsPort } = saidBy("main-simulator.ts")[0]!;
  expect(await pageAnswersAt(guard, Number(statisticsPort), "/")).toEqual({
    plain: "fetch failed",
    distrusting: "DEPTH_ZERO_SELF_SIGNED_CERT",
    withoutSecret: [401, ""],
    withAll: [200, "[]\n"],
  });
  // It waits for this one.
  start("main-scaler.ts", [], {
    ...guard.settings,
    LOCUS_SCALER_PORT: String(scalerPort),
    LOCUS_PLATFORM_ENDPOINT: `127.0.0.1:${platformPort}`,
    LOCUS_POLICY: "reference",
  });
  expect(await simulator.ended).toBe(0);
  expect(saidBy("main-simulator.ts").find(({ event }) => event === "ended")).toMatchObject({
    totalRequestsCount: REQUESTS.length,
    failedRequestsCount: 0,
  });
  expect(await answers(scalerPort, "Scaler", "Assign")).toEqual(expected);
});

test("the simulator plays to somebody else's scaler, and what either tells in a reply is heard", async () => {
  const like = { runtime: "go", memoryInMb: 256, timeoutInSecs: 60, initDurationInMs: 10 };
  const played: readonly Request[] = [
    [0, "quick", 30],
    [1_000, "quick", 400],
    [1_050, "quick", 400],
    [1_100, "faulty", 10, 408],
    [1_150, "throttled", 10],
  ];
  writeDataSet("foreign", played, [...METAS, { ...like, key: "faulty" }, { ...like, key: "throttled" }]);
  const [scalerPort, platformPort] = [await freePort(), await freePort()];
  const simulator = start("main-simulator.ts", ["foreign"], {
    LOCUS_PLATFORM_PORT: String(platformPort),
    LOCUS_STATISTICS_PORT: "0",
    LOCUS_SCALER_ENDPOINT: `127.0.0.1:${scalerPort}`,
    LOCUS_DATA_DIR: join(folder, "data"),
  });
  await vi.waitUntil(() => saidBy("main-simulator.ts").some(({ event }) => event === "listening"));
  const endpoint = `127.0.0.1:${platformPort}`;
  const platform = clientAt(resources.stack, endpoint)("serverless.simulator.Platform");
  expect(await platform.call("DestroySlot", { request_id: "r", id: "none" })).toEqual({
    status: "NotFound",
    error_message: "there is no slot none",
  });
  const scaler = new ForeignScaler(resources.stack, endpoint);
  await scaler.listen(scalerPort);
  expect(await simulator.ended).toBe(0);
  expect(scaler.assigned.map(({ timestamp, meta_data }) => [Number(timestamp), meta_data])).toEqual(
    played.map(([at, key]) => [
      1_685_980_824_304 + at,
      { key, runtime: "go", timeout_in_secs: 60, memory_in_mb: key === "quick" ? "512" : "256" },
    ]),
  );
  expect(scaler.results).toContainEqual({
    status_code: 408,
    duration_in_ms: "10",
    need_destroy: true,
    reason: "the request came to 408",
  });
  // Two slots of `quick`, the first one's used again; one that is not fit for more; none where it was refused.
  const started = ["CreateSlot", "Init"];
  const asked = scaler.replies.map(({ method }) => method).toSorted();
  expect(asked).toEqual([...started, ...started, ...started, "DestroySlot"].toSorted());
  expect(new Set(scaler.replies.map(({ status }) => status))).toEqual(new Set(["Ok"]));
  const ended = saidBy("main-simulator.ts").find(({ event }) => event === "ended");
  expect(ended).toMatchObject({
    totalRequestsCount: played.length,
    failedRequestsCount: 1,
    successRate: expect.closeTo(1 - 1 / played.length, 9),
    totalLiveSlotCount: 0,
    invocationExecutionTimeInSecs: expect.closeTo(0.84, 6),
  });
});

test("a line that is broken is told with its number, and nothing is played", async () => {
  writeDataSet("broken");
  writeFileSync(
    join(folder, "data", "broken", "requests"),
    `${JSON.stringify({ metaKey: "quick", startTime: 1, durationsInMs: 1 })}\n{`,
  );
  const simulator = start("main-simulator.ts", ["broken"], { LOCUS_DATA_DIR: join(folder, "data") });
  expect(await simulator.ended).toBe(1);
  expect(simulator.logTail()).toContain("line 2");
});

test("the platform holds scalers to its rules, and charges for slots until they are destroyed", async () => {
  let nowMs = 0;
  const functions = [{ key: "f", runtime: "go", memoryMb: 1_024, initMs: 1, timeoutMs: 1_000 }];
  const platform = new RealTimePlatform(functions, () => nowMs);
  const meta = { key: "f", runtime: "go", timeoutSeconds: 1, memoryMb: 1_024 };
  const codeOf = (error: unknown): string => (error as LocusError).code;
  const { id: slotId } = await platform.createSlot({ requestId: "r", memoryMb: 1_024 });
  const { id: smallId } = await platform.createSlot({ requestId: "r", memoryMb: 128 });
  const instance = { requestId: "r", slotId, instanceId: "i", meta };
  expect(await platform.init({ ...instance, slotId: smallId }).catch(codeOf)).toBe("REQUEST_INVALID");
  expect(await platform.init({ ...instance, meta: { ...meta, key: "g" } }).catch(codeOf)).toBe("REQUEST_INVALID");
  expect(await platform.init({ ...instance, slotId: "none" }).catch(codeOf)).toBe("INSTANCE_NOT_FOUND");
  await platform.init(instance);
  expect(await platform.init({ ...instance, instanceId: "j" }).catch(codeOf)).toBe("REQUEST_INVALID");
  platform.begin("i", "f");
  expect(() => platform.begin("i", "f")).toThrow(LocusError);
  expect(() => platform.begin("i", "g")).toThrow(LocusError);
  platform.end("i");
  nowMs = 2_000;
  expect(platform.slotGbSeconds).toBeCloseTo(2 + 2 / 8, 6);
  await platform.destroySlot({ requestId: "r", slotId, reason: "" });
  expect(await platform.destroySlot({ requestId: "r", slotId, reason: "" }).catch(codeOf)).toBe("INSTANCE_NOT_FOUND");
  nowMs = 4_000;
  platform.destroyAll();
  expect(platform.slotGbSeconds).toBeCloseTo(2 + 4 / 8, 6);
  expect(platform.liveSlots).toBe(0);
});
