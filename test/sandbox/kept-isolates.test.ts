// Isolates that are kept whatever calls ask for, in a real sandbox host: what its supervisor promises beyond that is held against a
// scripted one (runtime/native/test/bounds_test.cc).

import { kill } from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import type { LocusError } from "#runtime/errors.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import { NO_BOUNDS, type FunctionImage, type Outcome, type Supervisor } from "#runtime/sandbox/supervisor.ts";
import { bundleOf, resultOf } from "../sides.ts";

const LANES = 3;
const MIB = 2 ** 20;
const start = (): Promise<Supervisor> =>
  startSupervisor({ channel: new MemoryChannel(), isolatesMax: LANES, queueLengthMax: 100, onLog: () => {} });

let supervisor: Supervisor;
beforeAll(async () => {
  supervisor = await start();
});
afterAll(() => supervisor.close(0));

const deploy = async (bundle = bundleOf(() => "well")): Promise<FunctionImage> => {
  const bytes = Buffer.from(bundle);
  return { description: await supervisor.check(bytes), bundle: bytes };
};
const call = (image: FunctionImage): Promise<Outcome> =>
  supervisor.invoke({ image, keys: [], argsJson: "null", deadlineMs: 20_000, logs: false });
const stateOf = ({ description: { version } }: FunctionImage) =>
  supervisor.state().functions.find((state) => state.version === version);
const hostOf = () => supervisor.state().hosts[0] ?? { pid: 0 };
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "ok",
    (error: LocusError) => error.code,
  );

test("they stay when other functions need lanes, come back when the host dies, and make room when nobody keeps them", async () => {
  const kept = await deploy();
  await supervisor.keep(kept, { min: LANES - 1, max: null });
  const others = await Promise.all([deploy(), deploy()]);
  for (const other of [...others, ...others]) {
    expect(resultOf(await call(other))).toBe("well");
    expect(stateOf(kept)).toMatchObject({ isolates: LANES - 1, min: LANES - 1 });
  }
  expect((await call(kept)).usage.startUs).toBe(0);
  const { pid } = hostOf();
  expect(pid).toBeGreaterThan(0); // and never 0, which would be this process' own group
  kill(pid, "SIGKILL");
  await expect.poll(() => hostOf().pid).not.toBe(pid);
  await expect.poll(() => stateOf(kept)?.isolates).toBe(LANES - 1);
  await supervisor.keep(kept, NO_BOUNDS);
  expect(stateOf(kept)).toMatchObject({ isolates: LANES - 1, min: 0 });
  for (const other of others) expect(resultOf(await call(other))).toBe("well");
  await expect.poll(() => stateOf(kept)?.isolates).toBe(1);
  expect(resultOf(await call(kept))).toBe("well");
});

test("no function has more than it may", async () => {
  const image = await deploy(bundleOf(() => new Promise((resolve) => setTimeout(() => resolve("well"), 5))));
  await supervisor.keep(image, { min: 0, max: 1 });
  const isolates = new Set<number | undefined>();
  for (let i = 0; i < 10; i++) {
    const calls = Array.from({ length: 20 }, () => call(image));
    isolates.add(stateOf(image)?.isolates);
    for (const outcome of await Promise.all(calls)) expect(resultOf(outcome)).toBe("well");
    isolates.add(stateOf(image)?.isolates);
  }
  expect(isolates).toEqual(new Set([0, 1]));
  await supervisor.keep(image, NO_BOUNDS);
});

test("memory is told while a call waits, and CPU time when it has ended", async () => {
  const image = await deploy(
    bundleOf(async ({ redis }) => {
      const held = Array.from({ length: 20 }, () => new Uint8Array(2 ** 20).fill(1));
      while ((await redis.get("goes on")) === null) await new Promise((resolve) => setTimeout(resolve, 5));
      return held.length;
    }),
  );
  const other = await deploy(bundleOf(({ redis }) => redis.set("goes on", "1")));
  const held = call(image);
  await expect.poll(() => stateOf(image)?.memoryBytes).toBeGreaterThan(20 * MIB);
  expect(stateOf(image)?.memoryBytes).toBeLessThanOrEqual((64 + 24) * MIB);
  expect(stateOf(image)?.cpuUs).toBe(0);
  await call(other);
  const outcome = await held;
  expect(resultOf(outcome)).toBe(20);
  expect(stateOf(image)?.cpuUs).toBeCloseTo(outcome.usage.cpuUs, 0);
});

test("what cannot be is refused with what stands in the way", async () => {
  const image = await deploy();
  for (const bounds of [
    { min: -1, max: null },
    { min: 0.5, max: null },
    { min: 4_096, max: null },
    { min: 0, max: 0 },
    { min: 2, max: 1 },
    { min: 0, max: Number.NaN },
  ]) {
    expect(await codeOf(supervisor.keep(image, bounds))).toBe("REQUEST_INVALID");
  }
  expect(await codeOf(supervisor.keep(image, { min: LANES + 1, max: null }))).toBe("OVERLOADED");
  expect(stateOf(image)).toBeUndefined();
  const bundle = Buffer.from(bundleOf(() => 1, { before: "throw new Error('while loading');" }));
  const broken = { ...image, description: { ...image.description, version: "0".repeat(16) }, bundle };
  expect(await codeOf(supervisor.keep(broken, { min: 1, max: null }))).toBe("FUNCTION_INVALID");
  await supervisor.keep(broken, NO_BOUNDS);
});

test("who waits for them is told when the supervisor closes", async () => {
  const image = await deploy();
  const closing = await start();
  const kept = codeOf(closing.keep(image, { min: 1, max: null }));
  await closing.close(0);
  expect(await kept).toBe("SIDE_UNAVAILABLE");
  expect(await codeOf(closing.keep(image, { min: 1, max: null }))).toBe("SIDE_UNAVAILABLE");
});
