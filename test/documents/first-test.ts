// The first test of docs/testing.md, word for word, by somebody who has npm and whatever Node the machine has: the page's
// commands and its two files, in a project of their own.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { environmentOf } from "#test/tool.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "testing.md"), "utf8");
/** Tens of seconds where a package is installed; npm may wait for its registry. */
const COMMAND_MS_MAX = 240_000;

/** The last of its commands that ran. */
export interface FollowedPage {
  readonly status: number | null;
  readonly printed: string;
}

/** `locus` is what is installed: a checkout's folder, or a package's tarball. `project` is made anew. */
export function followFirstTest(project: string, locus: string): FollowedPage {
  const [setUp = "", run = ""] = blocks("sh");
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project);
  const installed = shell(project, setUp.replace(/ \/path\/to\/locus\s.*$/m, ` ${locus}`));
  if (installed.status !== 0) return installed;
  writeFileSync(join(project, "friends.ts"), blocks("ts")[0] ?? "");
  writeFileSync(join(project, "friends.test.ts"), blocks("typescript")[0] ?? "");
  return shell(project, run);
}

const blocks = (language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, text]) => text ?? "");

function shell(cwd: string, commands: string): FollowedPage {
  const { status, stdout, stderr } = spawnSync("bash", ["-euc", commands], {
    cwd,
    env: environmentOf({ PATH: pathOfTheMachine(), npm_config_prefer_offline: "true", npm_config_audit: "false" }),
    encoding: "utf8",
    timeout: COMMAND_MS_MAX,
  });
  return { status, printed: stdout + stderr };
}

/** Without the Node of this checkout, which whoever runs these tests may have put there. */
const pathOfTheMachine = (): string =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .join(delimiter);
