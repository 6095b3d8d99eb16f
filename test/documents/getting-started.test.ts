// docs/getting-started.md as somebody follows it: its commands, in their order, against a stack such as `./build.sh up` starts.

import { execFile } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stack, startStack } from "#bench/stack.ts";
import { environmentOf } from "#test/tool.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "getting-started.md"), "utf8");
const blocks = (language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, text]) => text ?? "");
/** The stack stands already, and the shell knows where it is. */
const isAboutStarting = (block: string): boolean => /^(\.\/build\.sh|cd) /.test(block);

let stack: Stack;
let folder: string;

beforeAll(async () => {
  stack = await startStack({ httpPort: 0 });
  await stack.run("locus", "load", "wordnet");
  const samples = globSync("functions/*.ts", { cwd: root }).filter((file) => !file.endsWith(".test.ts"));
  await stack.run("locus", "deploy", ...samples);
  folder = mkdtempSync(join(tmpdir(), "locus-started-"));
  for (const source of blocks("ts")) {
    const [, name = "unnamed"] = /\bname: "([^"]+)"/.exec(source) ?? [];
    writeFileSync(join(folder, `${name}.ts`), source);
  }
});
afterAll(async () => {
  await stack.close();
  rmSync(folder, { recursive: true });
});

const run = async (block: string): Promise<{ readonly stdout: string; readonly stderr: string }> => {
  const tools = join(root, "node_modules", ".bin");
  const env = { ...environmentOf(stack.settings), PATH: `${tools}${delimiter}${process.env["PATH"] ?? ""}` };
  return promisify(execFile)("bash", ["-euo", "pipefail", "-c", block], { cwd: folder, env });
};

const commands = blocks("sh").filter((block) => !isAboutStarting(block));

const titled = commands.map((block) => [block.split(/ *[#\n]/, 1)[0], block] as const);

it.each(titled)("runs what begins with: %s", async (_title, block) => {
  const { stdout } = await run(block);
  expect(stdout).not.toBe("");
});

it("orders commands so that there are instances to be seen", () => {
  const block = commands.find((one) => one.includes("locus instances")) ?? "";
  expect(block.indexOf("--min 2")).toBeGreaterThanOrEqual(0);
  expect(block.indexOf("--min 2")).toBeLessThan(block.indexOf("locus instances"));
});

it("says what comes of it", async () => {
  const { stdout, stderr } = await run(`locus call friends '{"user":"ada"}' --side storage --logs`);
  expect(stdout).toBe('["Alan","Grace"]\n');
  expect(stderr).toMatch(/looked up.*\nat storage \(as asked\), version [0-9a-f]{16}, [\d.]+ ms\n/);
  expect(commands.join("")).toContain("locus scale");
});
