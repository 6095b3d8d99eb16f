// What stands behind the names of the scheduler's programs: help, and nothing that they do not take.

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const REPOSITORY = join(import.meta.dirname, "..", "..");
const PROGRAMS = globSync("scheduler/main-*.ts", { cwd: REPOSITORY }).toSorted();

const run = (program: string, ...argv: readonly string[]) =>
  spawnSync(process.execPath, [program, ...argv], { cwd: REPOSITORY, env: {}, encoding: "utf8" });

it("are told of six programs", () => {
  expect(PROGRAMS).toHaveLength(6);
});

describe.each(PROGRAMS)("%s", (program) => {
  it("says with --help what it serves, which settings it reads, and where they are explained", () => {
    const { status, stdout, stderr } = run(program, "--help");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(
      /^usage: node scheduler\/main-.*\n.*serves .*\n[^]*LOCUS_GRPC_SECRET .*\n[^]*docs\/grpc\.md/,
    );
  });

  it("refuses an option that it has not, and starts nothing", () => {
    const { status, stdout, stderr } = run(program, "--nope");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/ has no use for "--nope"\.\n$/);
  });
});
