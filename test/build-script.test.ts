// build.sh as a person meets it first: its help, and what it makes of a mistake or of a machine that lacks something. What its verbs do
// is tested by using them.

import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import { environmentOf, type Settings } from "#test/tool.ts";

const SCRIPT = join(import.meta.dirname, "..", "build.sh");
const VERBS = ["demo", "up", "test", "check", "fuzz", "bench", "worlds", "soak", "package", "images", "compose"];

const run = (...argv: readonly string[]) => spawnSync(SCRIPT, argv, { encoding: "utf8" });

/** `./build.sh VERB` on a machine like this one, without some programs and with others of the test's making, by their shell script. */
function runWhere(
  lacking: readonly string[],
  made: Readonly<Record<string, string>>,
  verb = "build",
  settings: Settings = {},
) {
  const folder = mkdtempSync(join(tmpdir(), "locus-machine-"));
  try {
    for (const [name, script] of Object.entries(made)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    const taken = new Set([...lacking, ...Object.keys(made)]);
    for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
      for (const name of programsIn(directory).filter((one) => !taken.has(one))) {
        symlinkSync(join(directory, name), join(folder, name));
        taken.add(name);
      }
    }
    const { status, stdout, stderr } = spawnSync(SCRIPT, [verb], {
      encoding: "utf8",
      env: environmentOf({ ...settings, PATH: folder }),
    });
    return { status, stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const programsIn = (directory: string): readonly string[] => {
  try {
    return readdirSync(directory);
  } catch {
    return []; // PATH may name what is not there
  }
};

describe("build.sh", () => {
  it("names every verb in its help", () => {
    const { status, stdout } = run("--help");
    expect(status).toBe(0);
    for (const verb of VERBS) expect(stdout).toContain(`./build.sh ${verb}`);
  });

  it("takes help for --help", () => {
    expect(run("help")).toMatchObject({ status: 0, stdout: run("--help").stdout });
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
    ["test", "no-such-file", "nor-this"],
    ["soak", "--nope"],
  ])("refuses %s with its usage and exit code 2", (...argv) => {
    const { status, stderr } = run(...argv);
    expect(status).toBe(2);
    expect(stderr).toContain("./build.sh");
  });

  it.each(["fuzz", "bench", "soak"])("refuses an option that %s has not before it builds anything", (verb) => {
    const { status, stdout, stderr } = run(verb, "--nope=1");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr.trimEnd().split("\n").at(-1)).toBe(`${verb} has no option --nope.`);
  });

  it("refuses a number below 0 as what it is, and tells which ones are taken", () => {
    const { status, stderr } = run("soak", "--minutes", "-1");
    expect(status).toBe(2);
    expect(stderr).toMatch(/--minutes N .*0\.1 to 100000.*\n[^]*\nsoak takes no number below 0: -1\.\n$/);
  });

  it.each([
    [["--push"], "--push needs --repository, which says where to."],
    [["--repository", "Registry/locus"], '--repository is "Registry/locus", must be such as'],
    [["--repository=https://registry/locus"], '--repository is "https://registry/locus", must be such as'],
    [["--repository"], '--repository is "", must be such as'],
    [["--tag", "v 1"], '--tag is "v 1", must be up to 128 letters'],
    [["--platform=windows/amd64"], '--platform is "windows/amd64", must be linux/amd64 or linux/arm64.'],
    [["all"], 'images has no use for "all".'],
    [["--nope"], "images has no option --nope."],
  ])("refuses images %j before it asks an engine", (argv, why) => {
    const { status, stdout, stderr } = run("images", ...argv);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr.trimEnd().split("\n").at(-1)).toContain(why);
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

  it.each([["bench", "khop", "--smoke"], ["soak"]])(
    "refuses a result that it could not write in the end before it begins: %s",
    (...argv) => {
      const { status, stderr } = run(...argv, "--json", "/nowhere/x.json");
      expect(status).toBe(2);
      expect(stderr).toMatch(/^--json is "\/nowhere\/x\.json", which cannot be written: ENOENT/m);
    },
  );

  it("says what was wrong in its last line, and of an unknown verb nothing but the verbs that there are", () => {
    const lines = run("nope").stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    for (const verb of VERBS) expect(lines[0]).toContain(verb);
    expect(run("demo", "now").stderr.trimEnd().split("\n").at(-1)).toBe("demo takes no arguments.");
  });

  describe("on a machine that lacks something", () => {
    const servers = ["redis-server", "valkey-server"];

    it("names Debian's packages where there is no apt-get", () => {
      const { status, stderr } = runWhere([...servers, "apt-get"], {});
      expect(status).toBe(1);
      expect(stderr).toMatch(
        /^This machine lacks, by the names of Debian's packages: .*redis-server.*\nInstall them, then run/,
      );
    });

    it.each(["demo", "up", "bench", "soak"])("says before all else which settings have no effect on %s", (verb) => {
      const settings = { LOCUS_HTTP_PORT: "9191", LOCUS_NO_SUCH: "1" };
      const warning = `${verb} takes no settings; these have no effect on it: LOCUS_HTTP_PORT LOCUS_NO_SUCH`;
      const firstLine = (verbRun: string, set: Settings) =>
        runWhere([...servers, "apt-get"], {}, verbRun, set).stderr.split("\n", 1)[0];
      expect(firstLine(verb, settings)).toBe(warning);
      expect(firstLine(verb, {})).toMatch(/^This machine lacks/);
      expect(firstLine("check", settings)).toMatch(/^This machine lacks/);
    });

    it("gives the command where only root may install", () => {
      const { status, stderr } = runWhere(servers, { id: "echo 1000", sudo: "exit 1", "apt-get": "exit 1" });
      expect(status).toBe(1);
      expect(stderr).toMatch(/^This machine lacks some packages\..*\n {2}sudo apt-get install .*redis-server/);
    });

    it("shows what apt-get said where that fails", () => {
      const { status, stdout, stderr } = runWhere(servers, { id: "echo 0", "apt-get": "echo no such mirror; exit 1" });
      expect(status).toBe(1);
      expect(stdout).toMatch(/Installing .*redis-server.* failed; the end of [^]*\n {2}no such mirror\n/);
      expect(stderr).toMatch(/^apt-get could not install .*redis-server.*\. Install them, then run this again\.$/m);
    });

    it.each([
      [
        "redis-server",
        'echo "Redis server v=6.2.6 sha=0"',
        "redis-server is version 6.2.6; locus needs Redis 7.0 or newer",
      ],
      [
        "uname",
        "echo Darwin",
        "locus runs on Linux only: it needs memory files, futexes and seccomp. Here, use the containers",
      ],
    ])("says so where %s is another", (name, script, message) => {
      const { status, stderr } = runWhere([], { [name]: script });
      expect([status, stderr]).toEqual([1, expect.stringContaining(message)]);
    });
  });
});
