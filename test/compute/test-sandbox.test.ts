// What authors test their functions with, over values in memory and over a Redis without the module.

import { rmSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { childrenRunning } from "#bench/harness/processes.ts";
import {
  openTestSandbox,
  type TestCallOptions,
  type TestSandbox,
  type TestSandboxOptions,
} from "#compute/testing/test-sandbox.ts";
import type khop from "#functions/khop.ts";
import { startRedisServer } from "../redis-server.ts";

const KHOP = join(import.meta.dirname, "../../functions/khop.ts");
const SOURCE = `import { defineFunction } from "locus/function";

export default defineFunction({
  name: "tried",
  limits: { deadlineMs: 10_000 },
  input: { type: "object", required: ["does"], properties: { does: { enum: ["tell", "fail", "wait"] } } },
  async run({ redis, args, keys, log }) {
    if (args.does === "fail") throw new TypeError("on purpose");
    if (args.does === "wait") await new Promise(() => {});
    log.info("told");
    return { count: await redis.incr(keys[0] ?? "count"), process: typeof process, absent: undefined };
  },
});
`;

let folder: string;
const fileOf = (name: string, source: string): string => {
  const file = join(folder, name);
  writeFileSync(file, source);
  return file;
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-tried-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Sandbox hosts that this process has started and that run. */
const hosts = (): readonly number[] => childrenRunning(process.pid, "host.mjs");

describe.each(["memory", "Redis"])("a test sandbox over %s", (data) => {
  const resources = new AsyncDisposableStack();
  let sandbox: TestSandbox;
  beforeAll(async () => {
    if (data === "memory") {
      sandbox = resources.use(await openTestSandbox());
      return;
    }
    const server = await startRedisServer({ moduleArguments: null });
    resources.defer(() => server.close());
    sandbox = resources.use(await openTestSandbox({ redisUrl: `redis://127.0.0.1:${server.port}/3` }));
  });
  afterAll(() => resources.disposeAsync());

  it("runs a function over the data that the test has put there", async () => {
    const { redis } = sandbox;
    await redis.mset("1", '{"neigh":["2","3"]}', "2", '{"neigh":["3"]}', "3", '{"neigh":[]}');
    const { call, run, description } = await sandbox.load<typeof khop>(KHOP);
    expect(description).toMatchObject({ name: "khop", version: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(await call({ nodeId: "1" })).toMatchObject({ visited: 3 });
    expect(await run({ nodeId: "1" })).toMatchObject({ ok: true, usage: { rounds: expect.any(Number) } });
  });

  it("gives a call its keys and tells its logs, what it used, and what JSON makes of its result", async () => {
    const { run } = await sandbox.load(pathToFileURL(fileOf("tried.ts", SOURCE)));
    const outcome = await run({ does: "tell" }, { keys: ["mine"] });
    expect(outcome).toEqual({
      ok: true,
      result: { count: 1, process: "undefined" },
      logs: ["told"],
      usage: expect.objectContaining({ operations: 1, rounds: 1 }),
    });
    expect(await sandbox.redis.get("mine")).toBe("1");
  });

  it("says of a call that failed why, and where in the author's file", async () => {
    const { call, run } = await sandbox.load(fileOf("tried.ts", SOURCE));
    await expect(call({ does: "fail" })).rejects.toMatchObject({
      code: "FUNCTION_FAILED",
      message: "TypeError: on purpose",
      guestStack: expect.stringContaining("tried.ts:8:"),
    });
    expect(await run({ does: "wait" }, { deadlineMs: 50 })).toMatchObject({
      ok: false,
      error: { code: "DEADLINE_EXCEEDED" },
    });
    await expect(call({ does: "nothing" })).rejects.toMatchObject({ code: "ARGS_INVALID" });
  });

  it("refuses what deploying would refuse", async () => {
    const load = (name: string, source: string) => sandbox.load(fileOf(name, source));
    await expect(load("none.ts", "export default 1;")).rejects.toMatchObject({ code: "FUNCTION_INVALID" });
    await expect(load("broken.ts", 'import "node:fs";')).rejects.toThrow(/broken\.ts:1:.*module of Node\.js/);
    const schema = SOURCE.replace("enum: [", 'pattern: "(", enum: [');
    await expect(load("schema.ts", schema)).rejects.toThrow(
      "input/properties/does/pattern: Invalid regular expression",
    );
  });
});

describe("a test sandbox", () => {
  it("ends with the calls that are in flight, and leaves no process", async () => {
    await expect.poll(hosts).toEqual([]);
    const sandbox = await openTestSandbox();
    expect(hosts()).toHaveLength(1);
    const { run } = await sandbox.load(fileOf("tried.ts", SOURCE));
    const waiting = run({ does: "wait" });
    await Promise.all([sandbox.close(), sandbox.close()]);
    expect(await waiting).toMatchObject({ ok: false, error: { code: "SANDBOX_DIED" } });
    await expect.poll(hosts).toEqual([]);
    await expect(sandbox.load(KHOP)).rejects.toMatchObject({ code: "SIDE_UNAVAILABLE" });
  });

  it.each([
    ["http://127.0.0.1", "CONFIG_INVALID", "redisUrl: begins with http://, which is none of redis, rediss, unix"],
    ["127.0.0.1:6379", "CONFIG_INVALID", "redisUrl: is no URL such as redis://user:password@host:6379/0"],
    ["localhost:6379", "CONFIG_INVALID", "redisUrl: is no URL such as redis://"],
    ["redis://127.0.0.1:1", "REDIS_UNAVAILABLE", ""],
  ])("says of %s what is wrong with it, and leaves no process", async (redisUrl, code, message) => {
    await expect(openTestSandbox({ redisUrl })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(hosts()).toEqual([]);
  });

  it.each([
    [{ redis: "redis://127.0.0.1" }, 'there is no option "redis", only redisUrl (Did you mean redisUrl?)'],
    [
      { redisURL: "x", redisUrl: 7 },
      'there is no option "redisURL", only redisUrl (Did you mean redisUrl?); redisUrl must be text',
    ],
    ["redis://127.0.0.1", "the options must be an object with any of redisUrl"],
    [null, "the options must be an object with any of redisUrl"],
  ])("takes no options such as %j", async (options, message) => {
    await expect(openTestSandbox(options as TestSandboxOptions)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `openTestSandbox: ${message}`,
    });
    expect(hosts()).toEqual([]);
  });

  it("takes no options of a call that are not there or cannot be, and no args that are no JSON", async () => {
    await using sandbox = await openTestSandbox();
    const { call, run } = await sandbox.load(fileOf("tried.ts", SOURCE));
    const refused = (options: unknown, code: string, message: string) =>
      Promise.all(
        [call, run].map((one) =>
          expect(one({ does: "tell" }, options as TestCallOptions)).rejects.toMatchObject({ code, message }),
        ),
      );
    const deadline = "a call: deadlineMs must be a whole number from 1 to 300000";
    for (const deadlineMs of [-1, 0, 1.5, 300_001, Infinity, "50", null]) {
      await refused({ deadlineMs }, "CONFIG_INVALID", deadline);
    }
    const keys = 'keys must be a list of texts, such as ["user:2"]';
    await refused({ keys: "x" }, "CONFIG_INVALID", `a call: ${keys}`);
    await refused(
      { deadlineMS: 1, keys: [7] },
      "CONFIG_INVALID",
      `a call: there is no option "deadlineMS", only keys, deadlineMs (Did you mean deadlineMs?); ${keys}`,
    );
    await refused({ keys: ["a", "\ud800"] }, "ARGS_INVALID", "key 2 is no text: it has half of a surrogate pair");
    await expect(call({ does: 1n })).rejects.toMatchObject({
      code: "ARGS_INVALID",
      message: expect.stringMatching(/^args cannot be sent as JSON: .*BigInt/),
    });
    expect(await call({ does: "tell" }, { keys: [], ...({ deadlineMs: undefined } as object) })).toMatchObject({
      count: 1,
    });
  });

  it.each([7, undefined, new URL("https://host/khop.ts")])("loads no such file as %s", async (file) => {
    await using sandbox = await openTestSandbox();
    await expect(sandbox.load(file as URL)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(/^load takes a file's path or its URL: /),
    });
  });
});
