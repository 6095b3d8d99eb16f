// What a newcomer sees first: the README has its parts, and they are true.

import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** Below a heading, until the next one; "": below the title. */
const sectionOf = (heading: string): string => {
  const sections = README.split(/^#+ (.*)\n/m);
  const at = sections.indexOf(heading === "" ? "locus" : heading);
  return at < 0 ? "" : (sections[at + 1] ?? "");
};
/** Of each row of a table, its cells; without the head. */
const rowsOf = (markdown: string): readonly (readonly string[])[] =>
  markdown
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
const bodyOf = (markdown: string): readonly (readonly string[])[] => rowsOf(markdown).slice(2);

/** What `.ci/run` starts, in a checkout whose build.sh only notes how it was called, and ends like this. */
function startedByCi(exitCode: number): { readonly status: number | null; readonly started: readonly string[] } {
  const folder = mkdtempSync(join(tmpdir(), "locus-ci-"));
  try {
    mkdirSync(join(folder, ".ci"));
    copyFileSync(join(ROOT, ".ci", "run"), join(folder, ".ci", "run"));
    const note = `#!/bin/sh\necho "./build.sh $*" >> started\npwd -P >> started\nexit ${exitCode}\n`;
    writeFileSync(join(folder, "build.sh"), note, { mode: 0o755 });
    const { status } = spawnSync(join(folder, ".ci", "run"), { cwd: tmpdir() });
    const [command = "", directory, ...more] = readFileSync(join(folder, "started"), "utf8").trimEnd().split("\n");
    expect(directory).toBe(execFileSync("pwd", ["-P"], { cwd: folder, encoding: "utf8" }).trimEnd());
    return { status, started: [command, ...more] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("the README", () => {
  it("says in a box before the first command what locus needs and lacks", () => {
    const box = README.slice(0, README.indexOf("## Two commands")).match(/^>.*$/gm)?.join("\n") ?? "";
    for (const said of ["loads modules", "one primary", "no access control", "TypeScript or JavaScript"]) {
      expect(box).toContain(said);
    }
    expect(box.split("\n").length).toBeLessThan(10);
  });

  const commands = Array.from(
    sectionOf("Two commands").matchAll(/^\.\/build\.sh (\w+) +# /gm),
    ([, verb]) => `./build.sh ${verb ?? ""}`,
  );

  it("begins with two commands: one for the main job, one for all tests", () => {
    expect(commands).toEqual(["./build.sh demo", "./build.sh test"]);
  });

  it.each([0, 3])(
    "has the test command that continuous integration runs, and nothing else (exit code %i)",
    (exitCode) => {
      expect(startedByCi(exitCode)).toEqual({ status: exitCode, started: [commands[1]] });
    },
  );

  it("has a picture of what calls go through", () => {
    const [picture = ""] = /^```\n(.*?)^```/ms.exec(sectionOf(""))?.slice(1) ?? [];
    for (const part of ["client", "node", "Redis + locus module", "sandbox host", "▼"]) expect(picture).toContain(part);
  });

  it("names each folder of the repository, and no other", () => {
    const tracked = execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" }).split("\n");
    const folders = new Set(tracked.filter((file) => /^[^.].*\//.test(file)).map((file) => file.split("/", 1)[0]));
    const named = bodyOf(sectionOf("Folders")).map(([folder = ""]) => folder);
    expect(named.toSorted()).toEqual([...folders].map((folder) => `\`${folder}/\``).toSorted());
  });

  describe("has measured figures", () => {
    const measured = bodyOf(sectionOf("Measured"));
    const documented = rowsOf(readFileSync(join(ROOT, "docs", "benchmarks.md"), "utf8"));

    it("with the ratio that each is", () => {
      expect(measured.length).toBeGreaterThanOrEqual(3);
      for (const row of measured) expect(row).toHaveLength(3);
    });

    it.each(measured.map(([what = "", figure = "", ratio = ""]) => ({ what, figure, ratio })))(
      "$ratio as docs/benchmarks.md has it",
      ({ figure, ratio }) => {
        const [, digits = "", decimals = ""] = /^(\d+(?:\.(\d+))?)/.exec(figure) ?? [];
        expect(digits).not.toBe("");
        const figures = documented.filter(([name]) => name === ratio).map(([, value = ""]) => Number.parseFloat(value));
        // Rounded, half a digit up or down.
        const step = 10 ** -decimals.length;
        const isRounded = (value: number): boolean => Math.abs(value - Number(digits)) <= step / 2 + 1e-9;
        expect(figures.some(isRounded), `${digits} is none of ${figures.join(", ")}`).toBe(true);
      },
    );
  });
});
