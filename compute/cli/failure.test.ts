import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { expect, it, onTestFinished } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import { failureOf, failureText, type Failure } from "./failure.ts";
import { jsonValueOrPlace, numberOption, sideOption } from "./option.ts";
import { addHelpCommand, newProgram } from "./program.ts";
import { addWorkload } from "./workload.ts";

const mistakeOf = (...argv: readonly string[]): Failure => {
  const program = newProgram("tool")
    .addOption(sideOption())
    .addOption(numberOption("--many <n>", "", 9, 1));
  program
    .command("other")
    .command("deep")
    .argument("<one>")
    .action(() => {});
  addWorkload(program.command("run")).action(() => {});
  addHelpCommand(program);
  program.command("take").argument("<json>", "", jsonValueOrPlace);
  try {
    program.parse(argv, { from: "user" });
  } catch (error) {
    return failureOf(error);
  }
  throw new Error("no mistake was seen");
};

it.each([
  [["run", "x", "1"], '<repeats> is "x", must be a whole number from 1 to 10000000'],
  [["run", "1", "1", "--args", "{"], expect.stringMatching(/^--args is "\{", must be JSON: .*[^.]$/)],
  [["run", "1", "1", "--args", "[]"], '--args is "[]", must be a JSON object'],
  [["--many", "it's\n'", "run"], `--many is "it's\n'", must be a whole number from 1 to 9`],
  [["--many", "x".repeat(200), "run"], `--many is "${"x".repeat(80)}…", must be a whole number from 1 to 9`],
  [["--side", "moon", "run"], '--side is "moon", must be one of compute, storage'],
  [
    ["take", "@/nowhere/a.json"],
    expect.stringMatching(/^<json> is "@.nowhere.a.json", must be a file that can be read: ENOENT/),
  ],
  [["take", `@${import.meta.filename}`], expect.stringMatching(/^<json> is "@.*", must be JSON: /)],
])("tells of %j what must be there", (argv, message) => {
  const { code, message: told, remedy } = mistakeOf(...argv);
  expect([code, told]).toEqual(["CONFIG_INVALID", message]);
  expect(remedy).toMatch(/^`tool( run| take)? --help` says what each argument and option may be\.$/);
});

it("skips a byte order mark in front of JSON", () => {
  const file = join(mkdtempSync(join(tmpdir(), "locus-mark-")), "args.json");
  onTestFinished(() => rmSync(dirname(file), { recursive: true }));
  writeFileSync(file, '\uFEFF{"user":"ada"}\r\n');
  expect(jsonValueOrPlace(`@${file}`)).toEqual({ user: "ada" });
  expect(jsonValueOrPlace("\uFEFF[1]")).toEqual([1]);
});

it("shows no control character of a function's error", () => {
  const failure = { code: "FUNCTION_FAILED", message: "\u001b[2Jgone", remedy: "", stack: "Error\n    at \u009b1m" };
  expect(failureText(failure as Failure)).toBe("FUNCTION_FAILED: \\u001b[2Jgone\n    at \\u009b1m\n");
});

it.each([
  [["help", "othr"], 'there is no command "othr"', "Did you mean other? There are other, run, help, take."],
  [["help", "nothing"], 'there is no command "nothing"', "There are other, run, help, take."],
  [["othr"], "unknown command 'othr'", "Did you mean other? `tool --help` lists the commands."],
  [["nothing"], "unknown command 'nothing'", "`tool --help` lists the commands."],
  [["--mony", "1"], "unknown option '--mony'", "Did you mean --many? `tool --help` lists the options."],
  [
    ["run", "1", "1", "--arg", "{}"],
    "unknown option '--arg'",
    "Did you mean --args? `tool run --help` lists the options.",
  ],
  [["run"], "missing required argument 'repeats'", "Usage: tool run [options] <repeats> <count>"],
  [["other", "deep"], "missing required argument 'one'", "Usage: tool other deep [options] <one>"],
  [
    ["run", "1", "2", "3"],
    "too many arguments for 'run'. Expected 2 arguments but got 3: 1, 2, 3",
    "Usage: tool run [options] <repeats> <count>",
  ],
])("tells of %j what is wrong, and what would do", (argv, message, remedy) => {
  expect(mistakeOf(...argv)).toMatchObject({ code: "CONFIG_INVALID", message, remedy });
});

it("says a message once, whether or not the stack begins with it", () => {
  const frames =
    "    at run (f.ts:1:2)\n    at async more (f.ts:3:4)\n  [cause] Error: b\n      at deep (f.ts:5:6)\n    [errors] 1";
  const textOf = (message: string, guestStack: string): string[] =>
    failureText(failureOf(new LocusError("FUNCTION_FAILED", message, { guestStack }))).split("\n");
  const lines = ["FUNCTION_FAILED: Error: it broke; see the page", ...frames.split("\n"), expect.any(String)];
  expect(textOf("Error: it broke; see the page", `Error: it broke\n${frames}`)).toEqual(lines);
  expect(textOf("Error: it broke; see the page", `Error: it broke; see the page\n${frames}`)).toEqual(lines);
  expect(textOf("threw 1", "")).toEqual(["FUNCTION_FAILED: threw 1", expect.any(String)]);
});
