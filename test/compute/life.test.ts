// A function's life in a real node over a real Redis: deployed, listed, shown, called on both sides, one by one and in a
// batch, heard and taken away; through HTTP and through the command line. With a Redis that restarts under it, and with one
// that speaks TLS.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { type Stack, startStack } from "#bench/stack.ts";
import type { Health } from "#compute/node/health.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";
import { makeCertificate, tlsObstacle } from "../certificate.ts";
import { freePort } from "../free-port.ts";
import { startNodeOver } from "../node-process.ts";
import { runTool } from "#test/tool.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
const SIDES = ["compute", "storage"] as const;
/** Calls that are under way when Redis goes may end so; nothing else may become of them. */
const CODES_OF_A_RESTART = ["REDIS_UNAVAILABLE", "STORAGE_REFUSED"];
const SOURCE = `import { defineFunction, type Invocation } from "locus/function";
export default defineFunction({
  name: "greet",
  limits: { deadlineMs: 60_000 },
  async run({ redis, args, keys, log }: Invocation<{ readonly greeting: string }>) {
    log.info("greeting", { key: keys[0] });
    return args.greeting + " " + (await redis.get(keys[0] ?? ""));
  },
});
`;

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-life-"));
  file = join(folder, "greet.ts");
  writeFileSync(file, SOURCE);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a function", () => {
  let stack: Stack;
  beforeAll(async () => {
    // Kept through an orderly restart.
    stack = await startStack({ httpPort: 0, redis: { config: [["save", "3600", "1"]] } });
    await stack.redis.client().mset("who", "Ada", "whom", "Alan");
  });
  afterAll(() => stack.close());

  const request = (path: string, method = "GET", body?: string | Uint8Array<ArrayBuffer>, type = "application/json") =>
    fetch(stack.url + path, { method, ...(body === undefined ? {} : { body, headers: { "content-type": type } }) });
  const locus = (...argv: readonly string[]) => runTool("locus", argv, stack.settings);

  it("runs where the node says what confines it", async () => {
    const { compute } = (await (await request("/readyz")).json()) as Health;
    expect(compute.confinement).toEqual(expect.arrayContaining(["oom", "capabilities", "calls", "threads"]));
  });

  it("runs in the open where the node is told to leave it so", async () => {
    const node = await startNodeOver(stack.redis, (started) => onTestFinished(() => started.end("SIGTERM")), {
      LOCUS_CONFINEMENT: "off",
    });
    const { compute } = (await (await fetch(`${node.url}/readyz`)).json()) as Health;
    expect(compute.confinement).toEqual(["oom"]);
  });

  it("lives and goes through HTTP", async () => {
    const path = "/v1/functions/greet";
    const bundle = new Uint8Array(await bundleFunction(file));
    expect((await request(path)).status).toBe(404);
    const deployed = await request(path, "PUT", bundle, "application/javascript");
    expect(deployed.status).toBe(201);
    const { previousVersion, ...description } = (await deployed.json()) as Record<string, unknown>;
    expect(previousVersion).toBeNull();
    expect(await (await request("/v1/functions")).json()).toEqual({ functions: [description], next: null });
    expect(await (await request(path)).json()).toEqual(description);

    for (const side of SIDES) {
      const called = await request(`${path}/invocations?key=who&side=${side}`, "POST", '{"greeting":"hello"}');
      expect([called.status, await called.json()]).toEqual([200, "hello Ada"]);
      expect(called.headers.get("x-locus-side")).toBe(side);
      expect(called.headers.get("x-locus-usage")).toContain("operations=1, rounds=1");

      const lines = [
        '{"args":{"greeting":"hi"},"keys":["who"]}',
        "nonsense",
        '{"args":{"greeting":"hi"},"keys":["whom"]}',
      ];
      const batch = await request(
        `${path}/batch?side=${side}`,
        "POST",
        `${lines.join("\n")}\n`,
        "application/x-ndjson",
      );
      const replies = (await batch.text()).trimEnd().split("\n");
      expect(replies.map((line) => JSON.parse(line) as object)).toMatchObject([
        { result: "hi Ada" },
        { error: { code: "REQUEST_INVALID" } },
        { result: "hi Alan" },
      ]);
    }

    const logs = (await (await request("/v1/logs?source=greet")).text()).trimEnd().split("\n");
    expect(logs.map((line) => JSON.parse(line) as object)).toMatchObject(
      Array.from({ length: 6 }, (_, index) => ({
        level: "info",
        source: "greet",
        side: SIDES[Math.floor(index / 3)],
        text: expect.stringContaining("greeting"),
      })),
    );
    expect((await request(path, "DELETE")).status).toBe(204);
    const gone = await request(`${path}/invocations`, "POST", "{}");
    expect([gone.status, await gone.json()]).toMatchObject([404, { code: "FUNCTION_NOT_FOUND" }]);
  });

  it.each(SIDES)(
    "ends the calls of its versions that are in flight at %s while it is replaced and deleted",
    async (side) => {
      const redis = stack.redis.client();
      await redis.del("gate", "began");
      const version = (answer: string): Uint8Array<ArrayBuffer> =>
        new TextEncoder().encode(`export default {
        kind: "locus.function", name: "gated", limits: { deadlineMs: 60_000 },
        async run({ redis }) {
          await redis.rpush("began", "${answer}");
          while ((await redis.get("gate")) === null) await new Promise((resolve) => setTimeout(resolve, 5));
          return "${answer} of ${side}";
        },
      };`);
      const deployed = "/v1/functions/gated";
      const calls: Promise<Response>[] = [];
      for (const [index, answer] of ["one", "two"].entries()) {
        expect((await request(deployed, "PUT", version(answer), "application/javascript")).ok).toBe(true);
        calls.push(request(`${deployed}/invocations?side=${side}`, "POST", "{}"));
        await expect.poll(() => redis.llen("began")).toBe(index + 1);
      }
      expect((await request(deployed, "DELETE")).status).toBe(204);
      expect((await request(`${deployed}/invocations?side=${side}`, "POST", "{}")).status).toBe(404);
      await redis.set("gate", "open");
      const replies = await Promise.all(calls);
      const answers = await Promise.all(replies.map((reply) => reply.json()));
      expect(answers).toEqual([`one of ${side}`, `two of ${side}`]);
      expect(new Set(replies.map((reply) => reply.headers.get("x-locus-version"))).size).toBe(2);
      expect(await redis.lrange("began", 0, -1)).toEqual(["one", "two"]);
      expect((await request(`${deployed}/invocations?side=${side}`, "POST", "{}")).status).toBe(404);
    },
  );

  it("lives and goes through the command line", async () => {
    const deployed = await locus("deploy", file);
    expect(deployed).toMatchObject({ status: 0, stdout: expect.stringMatching(/^deployed greet [0-9a-f]{16}\n$/) });
    expect((await locus("deploy", file)).stdout).toBe(deployed.stdout.replace("deployed", "unchanged"));
    expect((await locus("list")).stdout).toMatch(/^NAME .*\ngreet +[0-9a-f]{16} +any /);
    expect((await locus("show", "greet")).stdout).toMatch(/^greet\n +version +[0-9a-f]{16}\n +prefers side +any\n/);

    for (const side of SIDES) {
      const called = await locus("call", "greet", '{"greeting":"hello"}', "--key", "who", "--side", side, "--logs");
      expect(called).toMatchObject({ status: 0, stdout: '"hello Ada"\n' });
      expect(called.stderr).toMatch(
        new RegExp(
          `greeting[^]*at ${side} \\(as asked\\), version .* ms\n1 operation in 1 round; \\d+ bytes sent, \\d+ received; computed `,
        ),
      );
      const [, whole] = /, ([\d.]+) ms\n/.exec(called.stderr) ?? [];
      const parts = called.stderr.matchAll(/(?:computed|waited|queued|handed over|on the way) ([\d.]+) ms/g);
      const sum = [...parts].reduce((sofar, [, ms]) => sofar + Number(ms), 0);
      // Each is told with three digits.
      expect(Math.abs(sum / Number(whole) - 1)).toBeLessThan(0.02);
      const batch = await runTool("batch", ["greet", "1", "70", "--side", side], stack.settings);
      expect(batch).toMatchObject({ status: 0, stdout: expect.stringMatching(/calls +70\n/), stderr: "" });
    }
    expect((await locus("logs", "greet")).stdout.trimEnd().split("\n").at(-1)).toMatch(
      /^\S+Z info {2}greet storage [0-9a-f]{12}-\w+ {2}.*greeting/,
    );
    const stats = (await locus("stats", "greet")).stdout.trimEnd().split("\n");
    expect(stats).toEqual([
      expect.stringMatching(/^FUNCTION +SIDE +CALLS +FAILED +MEAN +P50 +P99 +ERRORS$/),
      ...SIDES.map((side) => expect.stringMatching(new RegExp(`^greet +${side} +\\d+ +0 +\\d.*s$`)) as string),
    ]);
    expect(await locus("delete", "greet")).toMatchObject({ status: 0, stdout: "deleted greet\n" });
    expect(await locus("delete", "greet")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("FUNCTION_NOT_FOUND"),
    });
  });

  it("outlives a restart of Redis under the node, and calls meanwhile end with what is the matter", async () => {
    await locus("deploy", file);
    const call = async (side: string): Promise<string> => {
      const called = await request(
        `/v1/functions/greet/invocations?key=who&side=${side}`,
        "POST",
        '{"greeting":"hello"}',
      );
      const body = (await called.json()) as string | { readonly code: string };
      return typeof body === "string" ? body : body.code;
    };
    const restarted = new AbortController();
    const callOn = async (side: string): Promise<readonly string[]> => {
      const said: string[] = [];
      while (!restarted.signal.aborted) said.push(await call(side));
      return said;
    };
    const calls = Promise.all(SIDES.map(callOn));
    await stack.redis.restart();
    restarted.abort();
    const said = (await calls).flat();
    expect(said.filter((one) => one !== "hello Ada" && !CODES_OF_A_RESTART.includes(one))).toEqual([]);

    const ready = async (): Promise<boolean> => (await request("/readyz")).ok;
    await vi.waitUntil(ready);
    for (const side of SIDES) await vi.waitFor(async () => expect(await call(side)).toBe("hello Ada"));
  });

  it("gives what the documents say of the walk from node 7 of WordNet", async () => {
    // The graph that is loaded where none is named.
    expect((await locus("load")).stdout).toBe("loaded WordNet 3.1: 117791 nodes, 378203 edges\n");
    await locus("deploy", "functions/khop.ts");
    const walk = ["call", "khop", '{"nodeId":"7"}', "--key", "7", "--side", "storage"];
    const { stdout, stderr } = await locus(...walk);
    const commandLine = readFileSync(join(REPOSITORY, "docs", "cli.md"), "utf8");
    expect(commandLine).toContain(`$ locus ${walk.join(" ").replace(/(\{.*\})/, "'$1'")}\n    ${stdout}`);
    expect(commandLine).toContain(/\d+ operations in \d+ rounds/.exec(stderr)?.[0]);
    const result = stdout.trimEnd().replaceAll(/[:,]/g, "$& ");
    expect(readFileSync(join(REPOSITORY, "docs", "http.md"), "utf8")).toContain(`{"result": ${result}}`);
  });
});

describe("a node whose temporary folder is not there", () => {
  it("takes functions, and runs them on both sides", async () => {
    const stack = await startStack({ httpPort: 0, settings: { TMPDIR: "/nowhere" } });
    try {
      await stack.redis.client().set("who", "Ada");
      await stack.run("locus", "deploy", file);
      for (const side of SIDES) {
        expect(await stack.run("locus", "call", "greet", '{"greeting":"hi"}', "--key", "who", "--side", side)).toBe(
          '"hi Ada"\n',
        );
      }
    } finally {
      await stack.close();
    }
  });
});

const obstacle = tlsObstacle();
describe.skipIf(obstacle !== null)(`a node over TLS${obstacle === null ? "" : ` (skipped: ${obstacle})`}`, () => {
  let stack: Stack;
  beforeAll(async () => {
    const { certificateFile, redisConfig } = makeCertificate(folder);
    const tlsPort = await freePort();
    stack = await startStack({
      httpPort: 0,
      redis: { config: redisConfig(tlsPort) },
      settings: { LOCUS_REDIS_PORT: String(tlsPort), LOCUS_REDIS_TLS: "on", LOCUS_REDIS_CA: certificateFile },
    });
    await stack.redis.client().set("who", "Ada");
  });
  afterAll(() => stack.close());

  it("runs functions on both sides, and so does redisclient without one", async () => {
    await stack.run("locus", "deploy", file, "functions/khop.ts");
    for (const side of SIDES) {
      expect(await stack.run("locus", "call", "greet", '{"greeting":"hi"}', "--key", "who", "--side", side)).toBe(
        '"hi Ada"\n',
      );
    }
    expect(await stack.run("redisclient", "khop", "1", "3")).toMatch(/calls +3\n/);
    const clients = String(await stack.redis.client().client("LIST")).split("\n");
    const connectedTo = (port: number | string) => clients.filter((line) => line.includes(` laddr=127.0.0.1:${port} `));
    expect(connectedTo(stack.settings["LOCUS_REDIS_PORT"] ?? "").length).toBeGreaterThan(2);
    expect(connectedTo(stack.redis.port)).toEqual([]);
    expect(readFileSync(stack.nodeLogPath, "utf8")).toContain("acts for no other users of Redis: it cannot with TLS");
  });

  it("does not come up with an authority that does not vouch for Redis, or without TLS, and says which setting to mend", async () => {
    const { LOCUS_REDIS_CA: _trusted, ...untrusting } = stack.settings;
    const { LOCUS_REDIS_TLS: _tls, ...plain } = untrusting;
    for (const [settings, told] of [
      [
        untrusting,
        /^REDIS_UNAVAILABLE: [^;]*self.signed certificate; LOCUS_REDIS_CA names the file with the authorities to trust\n/,
      ],
      [
        plain,
        /^REDIS_UNAVAILABLE: .*; if it speaks TLS there, set LOCUS_REDIS_TLS=on \(a URL begins with rediss:\/\/ instead\); /,
      ],
    ] as const) {
      const { status, stderr } = await runTool("redisclient", ["khop", "1", "1"], settings);
      expect([status, stderr]).toEqual([3, expect.stringMatching(told)]);
    }
  });
});
