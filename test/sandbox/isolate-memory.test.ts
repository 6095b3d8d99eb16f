// Memory bounds the isolates of a host: which of them make room, what happens at the bound, and what comes back first.

import { kill } from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { FunctionImage, Outcome, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { bundleOf, resultOf } from "../sides.ts";

const MIB = 2 ** 20;
/** Room for five small functions. */
const MEMORY_MB = 8;

const start = async (isolateMemoryMb = MEMORY_MB): Promise<Supervisor> => {
  const options = { isolateMemoryMb, queueLengthMax: 1_000, onLog: () => {} };
  const supervisor = await startSupervisor({ channel: new MemoryChannel(), ...options });
  onTestFinished(() => supervisor.close(0));
  await supervisor.ready();
  return supervisor;
};
let deployed = 0;
const deploy = async (supervisor: Supervisor, bundle = bundleOf(() => "well")): Promise<FunctionImage> => {
  const bytes = Buffer.from(`${bundle}\n// ${++deployed}`);
  return { description: await supervisor.check(bytes), bundle: bytes };
};
const deployMany = (supervisor: Supervisor, count: number): Promise<FunctionImage[]> =>
  Promise.all(Array.from({ length: count }, () => deploy(supervisor)));
const call = (supervisor: Supervisor, image: FunctionImage, args: unknown = null): Promise<Outcome> =>
  supervisor.invoke({ image, keys: [], argsJson: JSON.stringify(args), deadlineMs: 20_000, logs: false });
const wasCold = ({ usage }: Outcome): boolean => usage.startUs > 0;
const hostOf = (supervisor: Supervisor) => supervisor.state().hosts[0]!;
const isOpen = (supervisor: Supervisor, { description }: FunctionImage): boolean =>
  supervisor.state().functions.some(({ version, isolates }) => version === description.version && isolates > 0);

test("as many isolates are open as the memory has room for, and every function is served", async () => {
  const supervisor = await start();
  const images = await deployMany(supervisor, 20);
  for (const image of [...images, ...images]) {
    expect(resultOf(await call(supervisor, image))).toBe("well");
    expect(hostOf(supervisor).isolateBytes).toBeLessThanOrEqual(MEMORY_MB * MIB);
  }
  expect(supervisor.isolatesMax()).toBeGreaterThanOrEqual(4);
  expect(supervisor.isolatesMax()).toBeLessThan(20);
  await Promise.all(images.map((image) => call(supervisor, image)));
  await expect.poll(() => hostOf(supervisor).isolates).toBeLessThanOrEqual(8);
});

test("one call each of sixty other functions does not close an isolate that is called often", async () => {
  const supervisor = await start();
  const often = await deploy(supervisor);
  for (let time = 0; time < 5; time++) await call(supervisor, often);
  for (const image of await deployMany(supervisor, 60)) expect(resultOf(await call(supervisor, image))).toBe("well");
  expect(wasCold(await call(supervisor, often))).toBe(false);
});

test("how often a function was called is remembered after its isolate has gone", async () => {
  const supervisor = await start();
  const [often, ...others] = await deployMany(supervisor, 8);
  for (let time = 0; time < 20; time++) await call(supervisor, often!);
  for (let time = 0; time < 40; time++) for (const image of others) await call(supervisor, image);
  expect(wasCold(await call(supervisor, often!))).toBe(true);
  for (let time = 0; time < 1_000; time++) await call(supervisor, often!);
  for (const image of others) await call(supervisor, image);
  expect(wasCold(await call(supervisor, often!))).toBe(false);
});

test("idle isolates make room for one that grows", async () => {
  const supervisor = await start(24);
  const small = await deployMany(supervisor, 8);
  for (const image of small) await call(supervisor, image);
  const grows = bundleOf(async ({ redis }) => {
    const held = Array.from({ length: 20 }, () => new Uint8Array(2 ** 20).fill(1));
    for (let round = 0; round < 100; round++) {
      await redis.get("key");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return held.length;
  });
  const large = await deploy(supervisor, grows);
  for (let time = 0; time < 3; time++) expect(resultOf(await call(supervisor, large))).toBe(20);
  await expect.poll(() => small.filter((image) => isOpen(supervisor, image)).length).toBeLessThan(4);
});

test("an isolate that is larger than the memory for all may be open alone", async () => {
  const supervisor = await start(4);
  const large = await deploy(
    supervisor,
    bundleOf(() => {
      const held = Array.from({ length: 20 }, () => new Uint8Array(2 ** 20).fill(1));
      return held.length;
    }),
  );
  const [small] = await deployMany(supervisor, 1);
  for (let time = 0; time < 5; time++) {
    expect(resultOf(await call(supervisor, large))).toBe(20);
    expect(resultOf(await call(supervisor, small!))).toBe("well");
  }
});

test("an isolate that is larger than the memory for all stays open while nothing else needs room", async () => {
  const supervisor = await start(4);
  const large = await deploy(
    supervisor,
    bundleOf(() => {
      const holder = globalThis as { held?: Uint8Array[] };
      holder.held ??= Array.from({ length: 20 }, () => new Uint8Array(2 ** 20).fill(1));
      return holder.held.length;
    }),
  );
  for (let time = 0; time < 5; time++) {
    expect(wasCold(await call(supervisor, large))).toBe(time === 0);
    // Its memory is looked at ten times a second.
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
});

test("hundreds of functions that are slow to load are called at once, and all of them are served", async () => {
  const supervisor = await start(1_024);
  const slow = bundleOf(() => "well", {
    before: "const end = performance.now() + 25; while (performance.now() < end);",
  });
  const image = await deploy(supervisor, slow);
  const images = Array.from({ length: 300 }, (_, index) => {
    const version = String(index).padStart(16, "0");
    return { ...image, description: { ...image.description, version } };
  });
  const options = { keys: [], argsJson: "null", deadlineMs: 60_000, logs: false };
  const outcomes = await Promise.all(images.map((one) => supervisor.invoke({ image: one, ...options })));
  expect(new Set(outcomes.map((outcome) => (outcome.ok ? "ok" : outcome.error.message)))).toEqual(new Set(["ok"]));
});

test("functions that hold much within their limits take turns in little memory, and no host ends", async () => {
  const supervisor = await start(64);
  const holds = bundleOf(() => {
    const holder = globalThis as { held?: Uint8Array[] };
    holder.held ??= Array.from({ length: 20 }, () => new Uint8Array(2 ** 20).fill(1));
    return holder.held.length;
  });
  const image = await deploy(supervisor, holds);
  const images = Array.from({ length: 20 }, (_, index) => {
    const version = String(index).padStart(16, "0");
    return { ...image, description: { ...image.description, version } };
  });
  for (let round = 0; round < 5; round++)
    for (const one of images) expect(resultOf(await call(supervisor, one))).toBe(20);
  for (const outcome of await Promise.all(images.map((one) => call(supervisor, one))))
    expect(resultOf(outcome)).toBe(20);
  expect(hostOf(supervisor)).toMatchObject({ restarts: 0 });
});

test("a bundle that does not load costs its lane nothing, and other functions nothing", async () => {
  const supervisor = await start();
  const [well] = await deployMany(supervisor, 1);
  await call(supervisor, well!);
  const bundle = Buffer.from(bundleOf(() => 1, { before: "throw new Error('while loading');" }));
  for (let time = 0; time < 20; time++) {
    const version = String(time).padStart(16, "0");
    const broken = { description: { ...well!.description, name: "broken", version }, bundle };
    expect(await call(supervisor, broken)).toMatchObject({ ok: false, error: { code: "FUNCTION_INVALID" } });
  }
  expect(wasCold(await call(supervisor, well!))).toBe(false);
  expect(hostOf(supervisor)).toMatchObject({ restarts: 0, isolates: 1 });
});

test("isolates that open while others close keep their host", async () => {
  const supervisor = await start(16);
  const [one] = await deployMany(supervisor, 1);
  // The same code under many versions: none of them is checked.
  const images = Array.from({ length: 200 }, (_, index) => {
    const version = String(index).padStart(16, "0");
    return { ...one!, description: { ...one!.description, version } };
  });
  let next = 0;
  const callAll = async (): Promise<void> => {
    while (next < 10 * images.length)
      expect(resultOf(await call(supervisor, images[next++ % images.length]!))).toBe("well");
  };
  await Promise.all(Array.from({ length: 16 }, callAll));
  expect(hostOf(supervisor)).toMatchObject({ restarts: 0 });
});

test("functions that were called lately are open again after their host has died, before anybody calls them", async () => {
  const supervisor = await start();
  const images = await deployMany(supervisor, 3);
  for (const image of images) await call(supervisor, image);
  const { pid } = hostOf(supervisor);
  expect(pid).toBeGreaterThan(0); // and never 0, which would be this process' own group
  kill(pid, "SIGKILL");
  await expect.poll(() => hostOf(supervisor).restarts).toBe(1);
  await expect.poll(() => images.every((image) => isOpen(supervisor, image)), { timeout: 10_000 }).toBe(true);
  for (const image of images) expect(wasCold(await call(supervisor, image))).toBe(false);
});
