import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkResultFile, writeResult } from "./result-file.ts";

test("a file that can be written is as it was before it is written", () => {
  const folder = mkdtempSync(join(tmpdir(), "locus-result-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "result.json");
  checkResultFile(file);
  expect(existsSync(file)).toBe(false);
  writeResult(file, { bench: "a" });
  checkResultFile(file);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ bench: "a" });
});

test.each(["/nowhere/result.json", "/"])("%s is refused with the reason", (path) => {
  expect(() => checkResultFile(path)).toThrow(new RegExp(`^--json is "${path}", which cannot be written: E[A-Z]+`));
});
