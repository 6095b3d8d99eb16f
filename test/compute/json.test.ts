// One rule for `--json`, held by every command of the three programs: one JSON value on one line of stdout, the result or
// else the error, and the exit code that there is without it. Only `logs` and `node`, which have no end, give a line for
// each value (docs/cli.md).

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "#bench/stack.ts";
import { ERRORS } from "#runtime/errors.ts";
import { environmentOf, launcherOf, runTool, type Tool } from "#test/tool.ts";

/** Nobody listens there: the port is reserved and unused. */
const NOWHERE = { LOCUS_URL: "http://127.0.0.1:2", LOCUS_REDIS_PATH: "/nowhere/redis.sock" };
const FAILING = `import { defineFunction } from "locus/function";
export default defineFunction({ name: "failing", run() { throw new Error("on purpose"); } });`;
const TALKING = `import { defineFunction } from "locus/function";
export default defineFunction({ name: "talking", run: ({ log }) => log.info("hello\\n\\u001b[2Jworld") });`;
const GRUMBLING = `import { defineFunction } from "locus/function";
export default defineFunction({ name: "grumbling", run({ log }) { log.warn("hm"); console.log(new Error("seen")); } });`;
const LEAVING = `import { defineFunction } from "locus/function";
export default defineFunction({ name: "leaving", run: ({ redis }) => redis.quit().then(() => redis.get("a")) });`;

let stack: Stack;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "locus-json-"));
  writeFileSync(join(folder, "failing.ts"), FAILING);
  writeFileSync(join(folder, "talking.ts"), TALKING);
  writeFileSync(join(folder, "grumbling.ts"), GRUMBLING);
  writeFileSync(join(folder, "leaving.ts"), LEAVING);
  writeFileSync(join(folder, "broken.ts"), "export default {");
  stack = await startStack({ httpPort: 0 });
  await stack.run("locus", "deploy", "functions/empty.ts", "functions/khop.ts", join(folder, "failing.ts"));
});
afterAll(async () => {
  await stack.close();
  rmSync(folder, { recursive: true });
});

interface Case {
  readonly tool: Tool;
  /** `@` stands for the test's folder. */
  readonly argv: string;
  readonly status: number;
  /** What the value has; `code` is that of its error. */
  readonly value: object;
  readonly settings?: Readonly<Record<string, string>>;
}

const failed = (code: keyof typeof ERRORS) => ({
  error: { code, message: expect.any(String), retry: ERRORS[code].retry, remedy: ERRORS[code].remedy },
});
/** What would do depends on what is wrong. */
const misuse = { error: { ...failed("CONFIG_INVALID").error, remedy: expect.any(String) } };
const noFunction = failed("FUNCTION_NOT_FOUND");
const similarTo = (name: string) => ({
  error: { ...noFunction.error, remedy: `Did you mean ${name}? \`locus list\` shows what is deployed.` },
});
const noNode = failed("NODE_UNAVAILABLE");
const noRedis = failed("REDIS_UNAVAILABLE");

/** Of a call that asks for no side: it depends on what is planned by now. */
const reason = expect.stringMatching(/^(default|plan)$/);

const CASES: readonly Case[] = [
  { tool: "locus", argv: "version", status: 0, value: { version: expect.any(String) } },
  { tool: "locus", argv: "", status: 2, value: misuse },
  { tool: "locus", argv: "no-such-command", status: 2, value: misuse },
  { tool: "locus", argv: "help no-such-command", status: 2, value: misuse },

  { tool: "locus", argv: "list", status: 0, value: [{ name: "empty" }, { name: "failing" }, { name: "khop" }] },
  { tool: "locus", argv: "list", status: 3, value: noNode, settings: NOWHERE },
  { tool: "locus", argv: "list", status: 2, value: misuse, settings: { LOCUS_URL: "nonsense" } },
  { tool: "locus", argv: "list", status: 2, value: misuse, settings: { LOCUS_NO_SUCH: "1" } },
  { tool: "locus", argv: "show khop", status: 0, value: { name: "khop", version: expect.any(String) } },
  { tool: "locus", argv: "show nobody", status: 1, value: noFunction },
  { tool: "locus", argv: "show kohp", status: 1, value: similarTo("khop") },
  { tool: "locus", argv: "show", status: 2, value: misuse },
  { tool: "locus", argv: "show khop", status: 3, value: noNode, settings: NOWHERE },

  {
    tool: "locus",
    argv: "deploy functions/empty.ts",
    status: 0,
    value: [{ file: "functions/empty.ts", outcome: "unchanged", name: "empty", version: expect.any(String) }],
  },
  {
    tool: "locus",
    argv: "deploy @/broken.ts functions functions/no-such.ts functions/md5.ts",
    status: 1,
    value: [
      { outcome: "failed", ...failed("FUNCTION_INVALID") },
      { outcome: "failed", ...failed("REQUEST_INVALID") },
      { outcome: "failed", ...failed("REQUEST_INVALID") },
      { outcome: expect.stringMatching(/^(deployed|unchanged)$/), name: "md5" },
    ],
  },
  {
    tool: "locus",
    argv: "deploy functions/empty.ts functions/md5.ts",
    status: 3,
    value: [
      { outcome: "failed", ...noNode },
      { outcome: "not tried", error: null },
    ],
    settings: NOWHERE,
  },
  { tool: "locus", argv: "deploy", status: 2, value: misuse },

  { tool: "locus", argv: "call empty", status: 0, value: { result: null, side: "compute", reason } },
  { tool: "locus", argv: "call failing", status: 1, value: { ...failed("FUNCTION_FAILED"), side: "compute" } },
  { tool: "locus", argv: "call empty --side storage", status: 0, value: { side: "storage", reason: "asked" } },
  { tool: "locus", argv: "call nobody", status: 1, value: noFunction },
  { tool: "locus", argv: "call kohp {}", status: 1, value: similarTo("khop") },
  { tool: "locus", argv: "call khop {}", status: 1, value: failed("ARGS_INVALID") },
  { tool: "locus", argv: "call khop {", status: 2, value: misuse },
  { tool: "locus", argv: "call khop --side moon", status: 2, value: misuse },
  { tool: "locus", argv: "call empty", status: 3, value: noNode, settings: NOWHERE },

  { tool: "locus", argv: "delete nobody", status: 1, value: noFunction },
  { tool: "locus", argv: "delete nobody", status: 3, value: noNode, settings: NOWHERE },

  { tool: "locus", argv: "placement", status: 0, value: { functions: expect.any(Array) } },
  { tool: "locus", argv: "placement", status: 3, value: noNode, settings: NOWHERE },
  { tool: "locus", argv: "nodes", status: 0, value: { nodes: expect.any(Array), policy: "forecast" } },
  { tool: "locus", argv: "nodes", status: 3, value: noNode, settings: NOWHERE },
  { tool: "locus", argv: "instances", status: 0, value: { instances: expect.any(Array), leftOut: 0 } },
  { tool: "locus", argv: "instances empty", status: 0, value: { instances: expect.any(Array) } },
  { tool: "locus", argv: "instances nobody", status: 1, value: noFunction },
  { tool: "locus", argv: "scale empty --min 1 --max 3", status: 0, value: { function: "empty", min: 1, max: 3 } },
  { tool: "locus", argv: "scale empty", status: 0, value: { function: "empty", min: 1, max: 3, instances: {} } },
  {
    tool: "locus",
    argv: "scale",
    status: 0,
    value: { functions: expect.arrayContaining([expect.objectContaining({ function: "empty", min: 1 })]), leftOut: 0 },
  },
  { tool: "locus", argv: "scale empty --free", status: 0, value: { freed: "empty" } },
  { tool: "locus", argv: "scale khop", status: 0, value: { function: "khop", min: 0, max: null } },
  { tool: "locus", argv: "scale --min 1", status: 2, value: misuse },
  { tool: "locus", argv: "scale nobody", status: 1, value: noFunction },
  { tool: "locus", argv: "scale empty --min 1 --free", status: 2, value: misuse },
  { tool: "locus", argv: "scale empty --min few", status: 2, value: misuse },
  { tool: "locus", argv: "scale nobody --min 1", status: 1, value: noFunction },
  { tool: "locus", argv: "why khop", status: 0, value: { function: "khop", reason: expect.any(String) } },
  { tool: "locus", argv: "why nobody", status: 1, value: noFunction },
  { tool: "locus", argv: "pin empty 0.5", status: 0, value: { function: "empty", pin: 0.5 } },
  { tool: "locus", argv: "pin empty nowhere", status: 2, value: misuse },
  { tool: "locus", argv: "weigh empty --weight 2", status: 0, value: { function: "empty", weight: 2 } },
  { tool: "locus", argv: "weigh empty --p99-under 5", status: 0, value: { weight: 2, p99UnderMs: 5 } },
  { tool: "locus", argv: "weigh empty --p99-under none", status: 0, value: { weight: 2, p99UnderMs: null } },
  { tool: "locus", argv: "weigh empty --p99-under some", status: 2, value: misuse },
  { tool: "locus", argv: "weigh empty --weight 0", status: 2, value: misuse },
  { tool: "locus", argv: "free empty", status: 0, value: { freed: "empty" } },
  { tool: "locus", argv: "free nobody", status: 1, value: noFunction },

  { tool: "locus", argv: "stats", status: 0, value: expect.any(Array) },
  { tool: "locus", argv: "stats nobody", status: 1, value: noFunction },
  { tool: "locus", argv: "stats", status: 3, value: noNode, settings: NOWHERE },

  { tool: "locus", argv: "logs nobody", status: 1, value: noFunction },
  { tool: "locus", argv: "logs", status: 3, value: noNode, settings: NOWHERE },

  { tool: "locus", argv: "load power-law --nodes 5", status: 0, value: { nodes: 5, state: "loaded" } },
  { tool: "locus", argv: "load no-such-graph", status: 2, value: misuse },
  { tool: "locus", argv: "load power-law --nodes 0", status: 2, value: misuse },
  { tool: "locus", argv: "load edges /nowhere/edges", status: 1, value: failed("REQUEST_INVALID") },
  { tool: "locus", argv: "load power-law", status: 3, value: noRedis, settings: NOWHERE },

  { tool: "locus", argv: "doctor", status: 0, value: { missing: 0, findings: expect.any(Array) } },
  {
    tool: "locus",
    argv: "doctor",
    status: 1,
    value: { missing: 2, findings: expect.arrayContaining([expect.objectContaining({ about: "node", part: "node" })]) },
    settings: NOWHERE,
  },
  {
    tool: "locus",
    argv: "simulate --synthetic 1 --functions 5 --hours 1",
    status: 0,
    value: { policy: "forecast", score: expect.objectContaining({ score: expect.any(Number) }) },
  },
  {
    tool: "locus",
    argv: "simulate --synthetic 1 --functions 5 --hours 1 --compare",
    status: 0,
    value: { reports: expect.any(Array), hindsight: { policy: expect.stringMatching(/^fixed:/) } },
  },
  {
    tool: "locus",
    argv: "simulate --contest-2020 --weights 0.75/0.25",
    status: 0,
    value: { policy: "forecast", weights: { responseTime: 0.75, nodeDuration: 0.25 }, score: expect.any(Number) },
  },
  { tool: "locus", argv: "simulate --contest-2020 --weights all", status: 2, value: misuse },
  { tool: "locus", argv: "simulate --synthetic 1 --weights 0.5/0.5", status: 2, value: misuse },
  { tool: "locus", argv: "simulate", status: 2, value: misuse },
  { tool: "locus", argv: "simulate --synthetic 1 --policy best", status: 2, value: misuse },
  { tool: "locus", argv: "simulate /nowhere", status: 1, value: failed("REQUEST_INVALID") },

  { tool: "locus", argv: "build", status: 0, value: { built: expect.any(Array) } },
  { tool: "locus", argv: "node", status: 2, value: misuse, settings: { LOCUS_HTTP_PORT: "many" } },

  { tool: "locus", argv: "load power-law --url http://127.0.0.1:2", status: 2, value: misuse },
  { tool: "locus", argv: "--url http://127.0.0.1:2 version", status: 2, value: misuse },
  { tool: "batch", argv: "empty 1 3", status: 0, value: { program: "batch", calls: 3, ok: 3, interrupted: false } },
  { tool: "batch", argv: "failing 1 3", status: 1, value: { calls: 3, ok: 0, errors: { FUNCTION_FAILED: 3 } } },
  { tool: "batch", argv: "nobody 1 3", status: 1, value: noFunction },
  { tool: "batch", argv: "kohp 1 3", status: 1, value: similarTo("khop") },
  { tool: "batch", argv: "empty 1", status: 2, value: misuse },
  { tool: "batch", argv: "empty 1 0", status: 2, value: misuse },
  { tool: "batch", argv: "empty 10000000 10000000", status: 2, value: misuse },
  { tool: "batch", argv: "empty 1 3", status: 3, value: noNode, settings: NOWHERE },

  { tool: "redisclient", argv: "khop 1 3", status: 0, value: { program: "redisclient", calls: 3, ok: 3 } },
  { tool: "redisclient", argv: "@/failing.ts 1 3", status: 1, value: { calls: 3, ok: 0 } },
  { tool: "redisclient", argv: "@/grumbling.ts 1 3", status: 0, value: { calls: 3, ok: 3 } },
  { tool: "redisclient", argv: "@/leaving.ts 1 3", status: 3, value: { errors: { REDIS_UNAVAILABLE: 3 } } },
  {
    tool: "redisclient",
    argv: "@/broken.ts 1 3",
    status: 1,
    value: { error: { ...failed("FUNCTION_INVALID").error, remedy: expect.stringContaining("run it again") } },
  },
  { tool: "redisclient", argv: "nobody 1 3", status: 1, value: failed("REQUEST_INVALID") },
  { tool: "redisclient", argv: "khop 1 3 --args 7", status: 2, value: misuse },
  { tool: "redisclient", argv: "khop 1 3", status: 3, value: noRedis, settings: NOWHERE },
];

const wordsOf = ({ argv }: Case): readonly string[] =>
  argv.split(" ").flatMap((word) => (word === "" ? [] : [word.replace("@", folder)]));

describe("--json", () => {
  it.each(CASES.map((one) => [`${one.tool} ${one.argv}`.trim(), one.status, one] as const))(
    "%s: one value, and exit code %i as without it",
    async (_title, status, one) => {
      const settings = one.settings ?? stack.settings;
      const plain = await runTool(one.tool, wordsOf(one), settings);
      const json = await runTool(one.tool, [...wordsOf(one), "--json"], settings);
      expect([plain.status, json.status]).toEqual([status, status]);
      expect(json.stdout).toMatch(/^[^\n]+\n$/);
      expect(JSON.parse(json.stdout)).toMatchObject(one.value);
    },
  );

  it("has a case here for every command", async () => {
    const { stdout } = await runTool("locus", ["--help"], {});
    const commands = [...stdout.slice(stdout.indexOf("\nCommands:")).matchAll(/^ {2}([a-z]+)/gm)].map(
      ([, name]) => name,
    );
    const covered = new Set(CASES.filter(({ tool }) => tool === "locus").map(({ argv }) => argv.split(" ")[0]));
    expect(commands.length).toBeGreaterThan(10);
    expect(commands.filter((command) => !covered.has(command ?? ""))).toEqual([]);
  });

  it.each([
    ["deploy", ["--url", "--json"]],
    ["list", ["--url", "--json"]],
    ["logs", ["--url", "--json"]],
    ["doctor", ["--url", "--json"]],
    ["load power-law", ["--json"]],
    ["version", ["--json"]],
    ["node", []],
  ])("is in the help of %s where it means something, as --url is: %j", async (command, options) => {
    const { stdout } = await runTool("locus", [...command.split(" "), "--help"], {});
    const shown = [...stdout.matchAll(/^ {2}(--json|--url|-V, --version)\b/gm)].map(([, option]) => option);
    expect(shown).toEqual(options);
  });

  it("gives a line for each line of the logs, and none where there are none", async () => {
    expect((await runTool("locus", ["logs"], stack.settings)).stderr).toBe(
      "no function has written a line on this node since it started\n",
    );
    await stack.run("locus", "deploy", join(folder, "talking.ts"));
    const escaped = "hello\\n\\u001b[2Jworld\n";
    const called = await runTool("locus", ["call", "talking", "--logs"], stack.settings);
    expect(called.stderr.startsWith(escaped)).toBe(true);
    const told = await runTool("locus", ["logs", "talking"], stack.settings);
    expect(told.stdout).toMatch(/^[^\n]+\n$/);
    expect(told.stdout.endsWith(escaped)).toBe(true);
    const logs = (...argv: readonly string[]) => runTool("locus", ["logs", ...argv, "--json"], stack.settings);
    expect(await logs("khop")).toEqual({ status: 0, stdout: "", stderr: "" });
    const inWords = await runTool("locus", ["logs", "khop"], stack.settings);
    expect(inWords.stderr).toBe("khop has written no line on this node since it started\n");
    const { stdout } = await logs("talking");
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as object),
    ).toEqual([
      {
        time: expect.any(String),
        level: "info",
        source: "talking",
        side: "compute",
        invocation: expect.stringMatching(/^[0-9a-f]{12}-/),
        text: expect.stringContaining("hello"),
      },
    ]);
  });
});

it("locus call shows what a function says that refuses a call", async () => {
  const file = join(folder, "refusing.ts");
  writeFileSync(
    file,
    `import { CallerError, defineFunction } from "locus/function";
    export default defineFunction({ name: "refusing", run: () => { throw new CallerError(404, "no user", { user: 7 }); } });`,
  );
  await stack.run("locus", "deploy", file);
  const inWords = await runTool("locus", ["call", "refusing"], stack.settings);
  expect(inWords.stderr).toMatch(/^CALL_REFUSED: .*no user[^]*\ndata: \{"user":7\}\n/);
  const { stdout } = await runTool("locus", ["call", "refusing", "--json"], stack.settings);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "CALL_REFUSED", status: 404, data: { user: 7 } } });
});

it("locus call takes its args from a file or from stdin", async () => {
  const [argsJson, path] = ['{"nodeId":"7"}', join(folder, "args.json")];
  writeFileSync(path, argsJson);
  const wanted = { status: 0, stdout: expect.stringContaining('"visited"') };
  expect(await runTool("locus", ["call", "khop", `@${path}`, "--key", "7"], stack.settings)).toMatchObject(wanted);
  const env = environmentOf(stack.settings);
  const words = ["call", "khop", "-", "--key", "7"];
  expect(spawnSync(launcherOf("locus"), words, { input: argsJson, env, encoding: "utf8" })).toMatchObject(wanted);
});

it("redisclient tells on stderr what a function writes, with the author's lines", async () => {
  const { stderr } = await runTool("redisclient", [join(folder, "grumbling.ts"), "1", "1"], stack.settings);
  const [warning, error, ...frames] = stderr.split("\n");
  expect([warning, error]).toEqual(["warn: hm", "Error: seen"]);
  expect(frames[0]).toMatch(/grumbling\.ts:2:\d+\)?$/);
  expect(stderr).not.toContain("base64");
});
