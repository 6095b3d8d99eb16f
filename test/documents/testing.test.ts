// docs/testing.md as somebody follows it: its files, in a project to which this checkout is linked, and its command.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { environmentOf } from "#test/tool.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "testing.md"), "utf8");
const block = (language: string): string => new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "ms").exec(page)?.[1] ?? "";

let project: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "locus-testing-"));
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules", "locus"));
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  writeFileSync(join(project, "friends.ts"), block("ts"));
  writeFileSync(join(project, "friends.test.ts"), block("typescript"));
});
afterAll(() => rmSync(project, { recursive: true }));

it("has a command that runs its tests, which pass and end", () => {
  const command = block("sh").replace(/^npx /, "");
  const PATH = `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"] ?? ""}`;
  const { status, stdout, stderr } = spawnSync("bash", ["-euc", command], {
    cwd: project,
    env: environmentOf({ PATH }),
    encoding: "utf8",
  });
  expect(stdout + stderr).toMatch(/pass 2\b[^]*fail 0\b/);
  expect(status).toBe(0);
});
