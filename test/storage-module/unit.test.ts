// The unit tests of the module are in C++ (storage-module/test): built with the sanitizers and run. Here and not beside their
// sources, since a compiler takes longer than a check before a commit may.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "locus-module-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TESTS = [
  "main",
  "json_text_test",
  "lock_budget_test",
  "operation_round_test",
  "registry_test",
  "resp_scanner_test",
];
const SOURCES = [
  "function_description",
  "function_version",
  "json_text",
  "operation_round",
  "redis_api",
  "registry",
  "reply",
];
const SHARED = ["codes", "command_table", "resp"];

const FLAGS = "-std=c++20 -O1 -g -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=all".split(" ");

const run = (program: string, args: readonly string[]): string => {
  const result = spawnSync(program, args, { cwd: root, encoding: "utf8" });
  return result.status === 0 ? "" : `${result.stdout}${result.stderr}${result.error ?? ""}`;
};

test("the module's parts do what their tests in C++ say, and no sanitizer objects", { timeout: 120_000 }, () => {
  const generated = join(folder, "generated");
  expect(run(process.execPath, ["runtime/channel/main-generate.ts", generated])).toBe("");
  const program = join(folder, "unit");
  const compiler = run("g++", [
    ...FLAGS,
    "-Iruntime/native",
    "-Istorage-module/src",
    `-I${generated}`,
    `-o${program}`,
    ...TESTS.map((name) => `storage-module/test/${name}.cc`),
    ...SOURCES.map((name) => `storage-module/src/${name}.cc`),
    ...SHARED.map((name) => `runtime/native/${name}.cc`),
    "-lcrypto",
  ]);
  expect(compiler).toBe("");
  expect(run(program, [])).toBe("");
});
