// What every driver owes, whatever its instances are: the tests that all of them pass.

import { expect, test, vi } from "vitest";
import type { LocusError } from "#runtime/errors.ts";
import type { Driver, InstanceSpec } from "#scheduler/driver/driver.ts";
import { bundleOf } from "../sides.ts";
import { callOf, codeOf, imageOf, imageOfBundle } from "./driver-fixture.ts";

/** An engine asks each of its containers what it uses, which may take a second on a busy machine. */
const LONG = { timeout: 60_000 };
const MIB = 2 ** 20;
const ECHO = imageOf(({ args, keys }) => ({ args, keys }));
const SLEEP = imageOf(
  ({ args }: { readonly args: number }) => new Promise((resolve) => setTimeout(() => resolve(args), args)),
);

let instances = 0;

/** Of a driver's tests. */
export const specOf = (fields: Partial<InstanceSpec> = {}): InstanceSpec => ({
  id: `test-${process.pid}-${++instances}`,
  image: ECHO,
  memoryBytes: 128 * MIB,
  cpus: 1,
  concurrency: 1,
  ...fields,
});

const refusalOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no refusal",
    (error: LocusError) => error.code,
  );

const listed = async (driver: Driver, id: string) => (await driver.list()).find((one) => one.id === id);

/** Inside a `describe`; the driver is there when tests run. */
export function testDriver(opened: () => Driver): void {
  test("starts an instance that runs calls, until it is stopped", async () => {
    const driver = opened();
    const spec = specOf();
    const { ended } = await driver.start(spec);
    const outcome = await driver.invoke(spec.id, callOf({ n: 1 }, { keys: ["a", "b"] }));
    expect(codeOf(outcome)).toBe('ok {"args":{"n":1},"keys":["a","b"]}');
    expect(outcome.usage.wallUs).toBeGreaterThan(0);
    expect(await listed(driver, spec.id)).toMatchObject({
      function: ECHO.description.name,
      memoryBytes: 128 * MIB,
      cpus: 1,
      inFlight: 0,
    });
    await driver.stop(spec.id);
    expect(await ended).toBe("it was stopped");
    expect(await listed(driver, spec.id)).toBeUndefined();
    expect(await refusalOf(driver.invoke(spec.id, callOf()))).toBe("INSTANCE_NOT_FOUND");
  });

  test("knows no instance that is not there, and none twice", async () => {
    const driver = opened();
    for (const refused of [
      driver.stop("nobody"),
      driver.limit("nobody", 1),
      driver.resize("nobody", 128 * MIB),
      driver.invoke("nobody", callOf()),
    ]) {
      expect(await refusalOf(refused)).toBe("INSTANCE_NOT_FOUND");
    }
    const spec = specOf();
    await driver.start(spec);
    expect(await refusalOf(driver.start(spec))).toBe("REQUEST_INVALID");
    await driver.stop(spec.id);
    expect(await refusalOf(driver.stop(spec.id))).toBe("INSTANCE_NOT_FOUND");
    await driver.start(spec);
    await driver.stop(spec.id);
  });

  test.each([
    ["an id that is a path", { id: "../x" }],
    ["no memory", { memoryBytes: 0 }],
    ["absurd memory", { memoryBytes: 2 ** 60 }],
    ["memory that is no number", { memoryBytes: Number.NaN }],
    ["no CPU", { cpus: 0 }],
    ["no calls at once", { concurrency: 0 }],
  ])("refuses %s", async (_title, fields) => {
    const driver = opened();
    const before = (await driver.list()).length;
    expect(await refusalOf(driver.start(specOf(fields)))).toBe("REQUEST_INVALID");
    expect(await driver.list()).toHaveLength(before);
  });

  test("refuses a function that cannot be loaded", async () => {
    const driver = opened();
    const before = (await driver.list()).length;
    const rejecting = bundleOf(() => 1, { before: "Promise.reject(new Error('while loading'));" });
    for (const source of ["export default 1;", "throw new Error('while loading');", "export default {", rejecting]) {
      expect(await refusalOf(driver.start(specOf({ image: imageOfBundle(source) })))).toBe("FUNCTION_INVALID");
    }
    expect(await driver.list()).toHaveLength(before);
  });

  test("tells what an instance uses", async () => {
    const driver = opened();
    const spec = specOf();
    await driver.start(spec);
    await driver.invoke(spec.id, callOf());
    const use = async () => (await listed(driver, spec.id))?.use;
    await vi.waitUntil(async () => ((await use())?.memoryBytes ?? 0) > MIB, LONG);
    expect((await use())?.cpuUs).toBeGreaterThan(0);
    await driver.stop(spec.id);
  });

  test("tells what a function throws, logs and gets wrong", async () => {
    const driver = opened();
    const image = imageOf(({ args, log }: { readonly args: string; readonly log: { info(text: string): void } }) => {
      log.info(`asked for ${args}`);
      if (args === "throw") throw new Error("thrown on purpose");
      return args === "map" ? new Map() : args;
    });
    const spec = specOf({ image });
    await driver.start(spec);
    const thrown = await driver.invoke(spec.id, callOf("throw", { logs: true }));
    expect(thrown).toMatchObject({
      ok: false,
      error: { code: "FUNCTION_FAILED", message: expect.stringContaining("thrown on purpose") },
    });
    expect(thrown.logs).toEqual(["asked for throw"]);
    expect(codeOf(await driver.invoke(spec.id, callOf("map")))).toBe("RESULT_INVALID");
    expect(codeOf(await driver.invoke(spec.id, { ...callOf(), argsJson: "{" }))).toBe("ARGS_INVALID");
    expect(codeOf(await driver.invoke(spec.id, callOf("x".repeat(2 * MIB))))).toBe("ARGS_TOO_LARGE");
    expect(codeOf(await driver.invoke(spec.id, callOf("fine")))).toBe('ok "fine"');
    await driver.stop(spec.id);
  });

  test("tells that a function refused its caller", async () => {
    const driver = opened();
    const image = imageOf(() => {
      throw Object.assign(new Error("no user"), { kind: "locus.callerError", status: 404, data: { user: 7 } });
    });
    const spec = specOf({ image });
    await driver.start(spec);
    expect(await driver.invoke(spec.id, callOf())).toMatchObject({
      error: { code: "CALL_REFUSED", message: "no user", stack: "", refusal: '{"status":404,"data":{"user":7}}' },
    });
    await driver.stop(spec.id);
  });

  test("goes on after a promise that was rejected and that nobody handled", async () => {
    const driver = opened();
    const image = imageOf(async ({ args }) => {
      if (args === "reject") void Promise.reject(new Error("nobody's"));
      await new Promise((resolve) => setTimeout(resolve));
      return args;
    });
    const spec = specOf({ image });
    await driver.start(spec);
    for (const args of ["reject", "fine"]) {
      expect(codeOf(await driver.invoke(spec.id, callOf(args)))).toBe(`ok "${args}"`);
    }
    await driver.stop(spec.id);
  });

  test("tells what stands behind an error", async () => {
    const driver = opened();
    const image = imageOf(async ({ args }: { readonly args: string }) => {
      if (args === "any") await Promise.any([Promise.reject(new RangeError("c")), Promise.reject("text")]);
      throw new Error("a", { cause: new TypeError("b", { cause: { reason: "full" } }) });
    });
    const spec = specOf({ image });
    await driver.start(spec);
    const messages = [];
    for (const args of ["cause", "any"]) {
      const outcome = await driver.invoke(spec.id, callOf(args));
      if (!outcome.ok) messages.push(outcome.error.message, outcome.error.stack);
    }
    expect(messages).toEqual([
      'Error: a [cause: TypeError: b [cause: {"reason":"full"}]]',
      expect.stringMatching(/\n {2}\[cause\] TypeError: b\n {6}at [^]*\n {4}\[cause\] \{"reason":"full"\}$/),
      'AggregateError: All promises were rejected [errors: RangeError: c; "text"]',
      expect.stringMatching(/\n {2}\[errors\] RangeError: c\n {6}at [^]*\n {2}\[errors\] "text"$/),
    ]);
    await driver.stop(spec.id);
  });

  test("runs as many calls at once as its spec says, and refuses one more", async () => {
    const driver = opened();
    const spec = specOf({ image: SLEEP, concurrency: 2 });
    await driver.start(spec);
    const two = [3_000, 3_500].map((ms) => driver.invoke(spec.id, callOf(ms)));
    await vi.waitUntil(async () => (await listed(driver, spec.id))?.inFlight === 2, LONG);
    expect(codeOf(await driver.invoke(spec.id, callOf(0)))).toBe("OVERLOADED");
    expect((await Promise.all(two)).map(codeOf)).toEqual(["ok 3000", "ok 3500"]);
    await driver.stop(spec.id);
  });

  test("ends a call at its deadline, and at its caller's word, and goes on", async () => {
    const driver = opened();
    const spec = specOf({ image: SLEEP, concurrency: 3 });
    await driver.start(spec);
    expect(codeOf(await driver.invoke(spec.id, callOf(500, { deadlineMs: 20 })))).toBe("DEADLINE_EXCEEDED");
    const stop = new AbortController();
    const cancelled = driver.invoke(spec.id, callOf(4_000), stop.signal);
    await vi.waitUntil(async () => ((await listed(driver, spec.id))?.inFlight ?? 0) > 0, LONG);
    stop.abort();
    expect(codeOf(await cancelled)).toBe("CANCELLED");
    expect(codeOf(await driver.invoke(spec.id, callOf(500), AbortSignal.abort()))).toBe("CANCELLED");
    expect(codeOf(await driver.invoke(spec.id, callOf(1)))).toBe("ok 1");
    await driver.stop(spec.id);
  });

  test("ends a call that never yields at its deadline", async () => {
    const driver = opened();
    const image = imageOf(({ args }: { readonly args: string }) => {
      if (args === "spin") for (;;);
      return args;
    });
    const spec = specOf({ image });
    const { ended } = await driver.start(spec);
    const outcome = await driver.invoke(spec.id, callOf("spin", { deadlineMs: 100 }));
    expect(["DEADLINE_EXCEEDED", "CPU_LIMIT"]).toContain(codeOf(outcome));
    // Whether that costs the instance is the driver's matter; another one runs.
    await Promise.race([ended, driver.stop(spec.id).catch(() => {})]);
    const next = specOf({ image });
    await driver.start(next);
    expect(codeOf(await driver.invoke(next.id, callOf("fine")))).toBe('ok "fine"');
    await driver.stop(next.id);
  });

  test("tells a call that its instance was stopped under it", async () => {
    const driver = opened();
    const spec = specOf({ image: SLEEP });
    await driver.start(spec);
    const call = driver.invoke(spec.id, callOf(10_000));
    await vi.waitUntil(async () => (await listed(driver, spec.id))?.inFlight === 1, LONG);
    await driver.stop(spec.id);
    expect(codeOf(await call)).toBe("SANDBOX_DIED");
  });

  test("ends a call that eats memory with MEMORY_LIMIT", async () => {
    const driver = opened();
    const image = imageOf(() => {
      const eaten: number[][] = [];
      for (;;) eaten.push(Array.from({ length: 1_000 }, () => 1.5));
    });
    const spec = specOf({ image });
    await driver.start(spec);
    expect(codeOf(await driver.invoke(spec.id, callOf()))).toBe("MEMORY_LIMIT");
    await driver.stop(spec.id).catch(() => {});
    await vi.waitUntil(async () => (await listed(driver, spec.id)) === undefined, LONG);
  });

  test("takes limits while it runs", async () => {
    const driver = opened();
    const spec = specOf();
    await driver.start(spec);
    await driver.limit(spec.id, 0.5);
    await driver.resize(spec.id, 192 * MIB);
    expect(await listed(driver, spec.id)).toMatchObject({ cpus: 0.5, memoryBytes: 192 * MIB });
    expect(await refusalOf(driver.limit(spec.id, -1))).toBe("REQUEST_INVALID");
    expect(await refusalOf(driver.resize(spec.id, 0))).toBe("REQUEST_INVALID");
    expect(codeOf(await driver.invoke(spec.id, callOf(7)))).toContain("ok");
    await driver.stop(spec.id);
  });

  test("starts nothing for whom nobody waits any more", async () => {
    const driver = opened();
    const before = (await driver.list()).length;
    expect(await refusalOf(driver.start(specOf(), AbortSignal.abort()))).toBe("CANCELLED");
    const spec = specOf();
    const stop = new AbortController();
    const starting = refusalOf(driver.start(spec, stop.signal));
    stop.abort();
    expect(["CANCELLED", "no refusal"]).toContain(await starting);
    await driver.stop(spec.id).catch(() => {});
    expect(await driver.list()).toHaveLength(before);
  });
}

/** Those whose instances are processes, or hold one. */
export function testAgentDriver(opened: () => Driver): void {
  test("refuses a memory in which Node does not run", async () => {
    const driver = opened();
    expect(await refusalOf(driver.start(specOf({ memoryBytes: 16 * MIB })))).toBe("REQUEST_INVALID");
    expect(await driver.list()).toEqual([]);
  });

  test.each([
    ["ends its thread", "exit"],
    ["kills its process", "kill"],
    ["says what is no frame", "forge"],
    ["says a frame that is too large", "flood"],
  ])("tells the calls of an instance that %s that it died", async (_title, how) => {
    const driver = opened();
    const image = imageOf(async ({ args }: { readonly args: string }) => {
      const { writeSync } = process.getBuiltinModule("node:fs");
      if (args === "exit") process.exit(3);
      if (args === "kill") process.kill(process.pid, "SIGKILL");
      if (args === "forge") writeSync(1, "x".repeat(64));
      if (args === "flood") writeSync(1, Buffer.alloc(8, 0xff));
      await new Promise(() => {});
    });
    const spec = specOf({ image, concurrency: 2 });
    const { ended } = await driver.start(spec);
    const bystander = driver.invoke(spec.id, callOf("wait"));
    expect(codeOf(await driver.invoke(spec.id, callOf(how)))).toBe("SANDBOX_DIED");
    expect(codeOf(await bystander)).toBe("SANDBOX_DIED");
    expect(await ended).not.toBe("");
    await vi.waitUntil(async () => (await listed(driver, spec.id)) === undefined, LONG);
  });

  test("tells a call that asked whether it may write that its instance has ended meanwhile", async () => {
    const driver = opened();
    const spec = specOf();
    await driver.start(spec);
    const mayWrite = async (): Promise<boolean> => {
      await driver.stop(spec.id);
      return true;
    };
    expect(codeOf(await driver.invoke(spec.id, callOf(null, { mayWrite })))).toBe("SANDBOX_DIED");
  });

  test("counts a call while it asks whether it may write", async () => {
    const driver = opened();
    const spec = specOf();
    await driver.start(spec);
    const allowed = Promise.withResolvers<boolean>();
    const asking = driver.invoke(spec.id, callOf(1, { mayWrite: () => allowed.promise }));
    expect(await listed(driver, spec.id)).toMatchObject({ inFlight: 1 });
    expect(codeOf(await driver.invoke(spec.id, callOf(2)))).toBe("OVERLOADED");
    allowed.resolve(true);
    expect(codeOf(await asking)).toContain("ok");
    const stop = new AbortController();
    const mayWrite = async (): Promise<boolean> => {
      stop.abort();
      return true;
    };
    expect(codeOf(await driver.invoke(spec.id, callOf(3, { mayWrite }), stop.signal))).toBe("CANCELLED");
    await driver.stop(spec.id);
  });

  test("ends an instance that goes on with a call long after its deadline, and tells the others", async () => {
    const driver = opened();
    const spec = specOf({ image: SLEEP, concurrency: 2 });
    const { ended } = await driver.start(spec);
    const bystander = driver.invoke(spec.id, callOf(30_000));
    expect(codeOf(await driver.invoke(spec.id, callOf(30_000, { deadlineMs: 50 })))).toBe("DEADLINE_EXCEEDED");
    expect(codeOf(await bystander)).toBe("SANDBOX_DIED");
    await ended;
  });
}
