// The unit tests of the module are in C++ (storage-module/test): built with the sanitizers and run. Here and not beside their
// sources, since a compiler takes longer than a check before a commit may.

import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { buildSanitized, WATCHED } from "#test/sanitized-build.ts";

test("the module's parts do what their tests in C++ say, and no sanitizer objects", WATCHED, () => {
  const [program = ""] = buildSanitized("address", ["test/module_test"]);
  const { status, stderr } = spawnSync(program, { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
