// The command table in C++ (runtime/native/command_table.cc), compiled with a program that asks it what TypeScript has answered.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { hasCompiler } from "#runtime/native/tested-program.ts";
import { COMMAND_ROWS } from "#runtime/channel/command-rows.ts";
import { REFUSAL_CASES } from "#runtime/channel/refusal-cases.ts";
import { checkOperation, type Argument } from "#runtime/channel/refusal.ts";

describe.skipIf(!hasCompiler)("command_table.cc (skipped where there is no g++)", () => {
  const folder = mkdtempSync(join(tmpdir(), "locus-command-table-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("answers golden and random operations as TypeScript does, and finds every row", () => {
    const runtime = resolve(import.meta.dirname, "../../runtime");
    const native = join(runtime, "native");
    const program = join(folder, "command_table_test");
    execFileSync(process.execPath, [join(runtime, "channel/main-generate.ts"), folder]);
    const flags = ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", `-I${folder}`, "-o", program];
    const sources = ["command_table.cc", "command_table_test.cc"].map((file) => join(native, file));
    execFileSync("g++", [...flags, ...sources]);
    const run = spawnSync(program, { input: nativeCases().join("\n"), encoding: "utf8" });
    expect(run.stdout).toBe("");
    expect(run.status).toBe(0);
  });
});

/** The input of the C++ test: see its header. */
function nativeCases(): string[] {
  const hex = (word: Argument): string => Buffer.from(word as Uint8Array).toString("hex") || "-";
  const checks = [...REFUSAL_CASES.map(([argv]) => argv), ...randomOperations()].map((argv) =>
    ["check", hex(checkOperation(argv)?.message ?? ""), ...argv.map(hex)].join(" "),
  );
  const rows = COMMAND_ROWS.flatMap((row, index) => {
    const [name = "", sub = ""] = row.name.split("|");
    const isRead = row.standing === "allowed" && row.access === "read";
    return [name, name.toUpperCase()].map((spelled) => `row ${index} ${isRead ? 1 : 0} ${hex(spelled)} ${hex(sub)}`);
  });
  return [...checks, ...rows];
}

/** Allowed commands with arguments that the rules look at, in any order. */
function randomOperations(): Argument[][] {
  const names = COMMAND_ROWS.filter((row) => row.standing === "allowed").map(({ name }) => name.split("|"));
  const words = [
    "k",
    "locus:k",
    "1",
    "2",
    "99",
    "STREAMS",
    "get",
    "By",
    "STORE",
    "storedist",
    "GROUP",
    "COUNT",
    "DB",
    "*",
    "lo*",
  ];
  const operation = fc
    .tuple(fc.constantFrom(...names), fc.array(fc.oneof(fc.constantFrom(...words), fc.string()), { maxLength: 8 }))
    .map(([name, rest]) => [...name, ...rest]);
  return fc.sample(operation, { numRuns: 5_000, seed: 1 });
}
