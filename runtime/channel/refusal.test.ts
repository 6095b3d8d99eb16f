import { describe, expect, test } from "vitest";
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
