// The programs as a shell finds them: links to compute/cli/launch, which finds the Node that locus brings.

import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };

const REPOSITORY = join(import.meta.dirname, "..");
const LAUNCH = "compute/cli/launch";

let folder: string;
let PATH: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "locus-launch-"));
  PATH = `${join(folder, "old")}:/usr/bin:/bin`;
  program("old/node", "#!/bin/sh\necho v20.1.2\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function program(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  chmodSync(join(folder, path), 0o755);
}

function link(name: string, to: string): string {
  symlinkSync(to, join(folder, name));
  return join(folder, name);
}

const run = (path: string, ...argv: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(path, argv, { cwd: folder, env: { PATH }, encoding: "utf8" });
  return { status, stdout, stderr };
};

describe("the launcher", () => {
  it("starts each program with the Node of the checkout, whatever node comes first in PATH", () => {
    expect(run(link("locus", join(REPOSITORY, LAUNCH)), "version")).toEqual({
      status: 0,
      stdout: `${manifest.version}\n`,
      stderr: "",
    });
    for (const tool of ["batch", "redisclient"]) {
      expect(run(link(tool, join(REPOSITORY, LAUNCH)), "--help").stdout).toMatch(new RegExp(`^Usage: ${tool} `));
    }
  });

  it.each(["other", "node"])("refuses the name %s", (name) => {
    expect(run(link(name, join(REPOSITORY, LAUNCH)))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`no program "${name}"`),
    });
  });

  describe("of an installation without a Node", () => {
    let locus: string;
    beforeAll(() => {
      program("bare/compute/cli/main-locus.js", `process.stdout.write(process.argv.slice(2).join());\n`);
      copyFileSync(join(REPOSITORY, LAUNCH), join(folder, "bare", LAUNCH));
      locus = link("bare/locus", join(folder, "bare", LAUNCH));
    });

    it("says which Node it needs, and which it found", () => {
      const { status, stdout, stderr } = run(locus, "version");
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/needs Node 26 or newer.* in PATH is: v20\.1\.2\.\nInstall the package again/);
      program("bare/build.sh", "");
      expect(run(locus).stderr).toContain(`Run ${join(folder, "bare/build.sh")}, which installs it.`);
    });

    it("takes the one in PATH where it is new enough", () => {
      const env = { PATH: `${dirname(process.execPath)}:${PATH}` };
      expect(execFileSync(locus, ["call", "a b"], { env, encoding: "utf8" })).toBe("call,a b");
    });
  });
});
