import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { ERRORS } from "#runtime/errors.ts";
import { COMMAND_ROWS } from "./command-rows.ts";
import { REFUSAL_HINT, RULES_MAX } from "./command-rule.ts";
import { checkOperation, type Argument } from "./refusal.ts";
import { REFUSAL_CASES } from "./refusal-cases.ts";

const printed = (argv: readonly Argument[]): string =>
  JSON.stringify(argv.map((word) => (typeof word === "string" ? word : [...word])));

describe("checkOperation", () => {
  test.each(REFUSAL_CASES.map(([argv, message]) => ({ argv, message, title: printed(argv) })))(
    "answers $title with $message",
    ({ argv, message }) => {
      const refusal = { code: "COMMAND_REFUSED", message: `${message}${REFUSAL_HINT}` };
      expect(checkOperation(argv)).toEqual(message === null ? null : refusal);
    },
  );

  test.each([
    ["key", ["get", "locus:x"]],
    ["pattern", ["sort", "k", "BY", "locus:*"]],
    ["channel", ["publish", "locus:x", "news"]],
  ])("refuses a %s with a remedy that speaks of it", (what, argv) => {
    const refusal = checkOperation(argv);
    expect(refusal?.message).toContain(what);
    expect(ERRORS[refusal!.code].remedy).toMatch(new RegExp(`\\b${what}\\b.* does not begin with \`locus:\``));
  });

  test("lets no command of the refused list pass, and no container without a subcommand", () => {
    const passed = COMMAND_ROWS.filter((row) => row.standing !== "allowed")
      .map(({ name }) => name)
      .filter((name) => checkOperation(name.split("|")) === null);
    expect(passed).toEqual([]);
  });

  test("needs no more rules per row than a C++ row has room for", () => {
    const counts = COMMAND_ROWS.map((row) => (row.standing === "allowed" ? row.rules.length : 0));
    expect(Math.max(...counts)).toBeLessThanOrEqual(RULES_MAX);
  });
});

const compiler = spawnSync("g++", ["--version"]).status === 0;

describe.skipIf(!compiler)("command_table.cc (skipped where there is no g++)", () => {
  const folder = mkdtempSync(join(tmpdir(), "locus-command-table-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("answers golden and random operations as TypeScript does, and finds every row", { timeout: 120_000 }, () => {
    const native = resolve(import.meta.dirname, "../native");
    const program = join(folder, "command_table_test");
    execFileSync(process.execPath, [join(import.meta.dirname, "main-generate.ts"), folder]);
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
