// docs/functions.md, In the editor, word for word: its two tsconfig files in a project that has the first test of docs/testing.md.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "functions.md"), "utf8");

const WITH_TYPEBOX = `import { defineFunction } from "locus/function";
import { Object, String } from "typebox";

export default defineFunction({
  name: "length-of",
  input: Object({ user: String() }),
  run: async ({ redis, args }) => (await redis.get(args.user))?.length ?? 0,
});
`;
const WITH_NODE = "export const folder = process.cwd();\n";

interface Checked {
  readonly status: number | null;
  readonly stdout: string;
}

export interface CheckedProject {
  readonly functions: Checked;
  readonly tests: Checked;
  /** With a function among them that has use for what only Node.js has. */
  readonly withNode: Checked;
}

/** `packages`: what the page has its reader install, taken from this checkout where no other has brought it. */
export function checkAsInEditor(project: string, packages: readonly string[]): CheckedProject {
  for (const name of packages) {
    const place = join(project, "node_modules", name);
    mkdirSync(dirname(place), { recursive: true });
    if (!existsSync(place)) symlinkSync(join(root, "node_modules", name), place);
  }
  const [functions = "", tests = ""] = [...page.matchAll(/^```json\n(.*?)^```/gms)].map(([, text]) => text ?? "");
  const [, greet = ""] = /^```ts\n(.*?)^```/ms.exec(page) ?? [];
  const files = {
    "tsconfig.json": functions,
    "tsconfig.test.json": tests,
    "greet.ts": greet,
    "length-of.ts": WITH_TYPEBOX,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  const compiler = join(root, "node_modules", ".bin", "tsc");
  const check = (...argv: readonly string[]): Checked => {
    const { status, stdout } = spawnSync(compiler, argv, { cwd: project, encoding: "utf8" });
    return { status, stdout };
  };
  const checked = { functions: check("-p", "."), tests: check("-p", "tsconfig.test.json") };
  writeFileSync(join(project, "wrong.ts"), WITH_NODE);
  return { ...checked, withNode: check("-p", ".") };
}

/** Nothing is said of either. */
export const CHECKED_WELL = {
  functions: { status: 0, stdout: "" },
  tests: { status: 0, stdout: "" },
};
