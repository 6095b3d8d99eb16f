// docs/testing.md as somebody follows it from a new project on, with this checkout; with the package in test/package.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CHECKED_WELL, checkAsInEditor } from "./editor.ts";
import { followFirstTest } from "./first-test.ts";

const root = join(import.meta.dirname, "..", "..");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-testing-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

it("has commands that make a project, to which a checkout is linked, and run its tests, which pass and end", () => {
  const { status, printed } = followFirstTest(join(folder, "project"), root);
  expect(printed).toMatch(/pass 2\b[^]*fail 0\b/);
  expect(status).toBe(0);
});

it("has a test and a function that an editor finds well, by what docs/functions.md has it know", () => {
  const { withNode, ...checked } = checkAsInEditor(join(folder, "project"), ["@types/node", "typebox"]);
  expect(checked).toEqual(CHECKED_WELL);
  expect(withNode.stdout).toMatch(/^wrong\.ts\(1,23\): error TS\d+: Cannot find name 'process'.*\n$/);
});
