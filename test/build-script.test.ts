// build.sh as a person meets it first: its help, and what it makes of a mistake. What its verbs do is tested by using them.

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const SCRIPT = join(import.meta.dirname, "..", "build.sh");
const VERBS = ["demo", "up", "test", "check", "fuzz", "bench", "soak", "package", "images", "compose"];

const run = (...argv: readonly string[]) => spawnSync(SCRIPT, argv, { encoding: "utf8" });

describe("build.sh", () => {
  it("names every verb in its help", () => {
    const { status, stdout } = run("--help");
    expect(status).toBe(0);
    for (const verb of VERBS) expect(stdout).toContain(`./build.sh ${verb}`);
  });

  it.each(["build", ...VERBS])("explains %s alone", (verb) => {
    const { status, stdout } = run(verb, "--help");
    expect(status).toBe(0);
    expect(stdout.match(/^\.\/build\.sh.*$/gm)).toHaveLength(1);
    expect(stdout).toContain(verb);
  });

  it.each([
    ["nope"],
    ["test check"],
    ["demo", "now"],
    ["--fast"],
    ["fuzz", "--nope"],
    ["test", "--nope"],
    ["soak", "--nope"],
  ])("refuses %s with its usage and exit code 2", (...argv) => {
    const { status, stderr } = run(...argv);
    expect(status).toBe(2);
    expect(stderr).toContain("./build.sh");
  });

  it("tells what each benchmark asks, and refuses what is no benchmark, or no option of one, with exit code 2", () => {
    const { stdout } = run("bench", "--help");
    const benchmarks = globSync("*.bench.ts", { cwd: join(SCRIPT, "..", "bench") });
    for (const file of benchmarks) {
      expect(stdout).toMatch(new RegExp(`^  ${file.replace(".bench.ts", "")} +[A-Z].*\\?$`, "m"));
    }
    for (const argv of [["nope"], ["--json", "file"], ["khop", "--nope"]]) {
      expect(run("bench", ...argv)).toMatchObject({ status: 2 });
    }
  });

  it("says what was wrong in its last line, and of an unknown verb nothing but the verbs that there are", () => {
    const lines = run("nope").stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    for (const verb of VERBS) expect(lines[0]).toContain(verb);
    expect(run("demo", "now").stderr.trimEnd().split("\n").at(-1)).toBe("demo takes no arguments.");
  });
});
