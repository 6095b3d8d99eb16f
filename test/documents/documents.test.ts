// The documents lead somewhere: their links, the files that they name, the functions that they show, the shape that the style asks for.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const exists = (file: string): boolean => existsSync(join(root, file));

/** Tracked, or about to be: build output and what git ignores is nobody's document. */
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && exists(file));
const folders = new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/", 1)[0] ?? file));
const documents = files.filter((file) => file.endsWith(".md"));
const decisions = documents.filter((file) => file.startsWith("docs/decisions/"));

/** Text between backticks, code blocks left out. */
const inBackticks = (text: string): string[] =>
  [...text.replaceAll(/^```.*?^```/gms, "").matchAll(/`([^`\n]+)`/g)].map(([, word]) => word ?? "");
/** Something in one of our folders, or a source file by its ending; `locus/function` is neither. */
const isPath = (word: string): boolean =>
  /^[\w.-]+(\/[\w.-]+)+\/?$/.test(word) &&
  (folders.has(word.split("/", 1)[0] ?? "") || /\.(ts|cc|h|md|json|sh)$/.test(word));
/** What a build leaves, or a name that stands for many: `bench/NAME.bench.ts`. */
const isMadeUp = (path: string): boolean => path.startsWith("build/") || /\b(NAME|TARGET|VERSION)\b/.test(path);

/** Each with the document that shows it. */
const functionsShown = documents.flatMap((document) =>
  [...read(document).matchAll(/^```ts\n(.*?)^```/gms)].map(([, source]) => [document, source ?? ""] as const),
);

const LOADING = `
  import { loadLocalFunction } from "#compute/cli/local-function.ts";
  const { name, run } = await loadLocalFunction(process.argv[1]);
  console.log(JSON.stringify({ name, run: typeof run }));
`;

describe("the documents", () => {
  it.each(documents)("%s links to what is there", (document) => {
    const targets = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
    const relative = targets
      .filter((target) => !/^([a-z]+:|#)/.test(target))
      .map((target) => target.split("#", 1)[0] ?? "");
    expect(relative.filter((target) => !exists(join(dirname(document), target)))).toEqual([]);
  });

  it.each(documents)("%s names files that are there", (document) => {
    const paths = inBackticks(read(document)).filter((word) => isPath(word) && !isMadeUp(word));
    expect(paths.filter((path) => !exists(path) && !exists(join(dirname(document), path)))).toEqual([]);
  });

  it("name files as these tests recognise them", () => {
    expect(inBackticks(read("docs/ARCHITECTURE.md")).filter(isPath).length).toBeGreaterThan(50);
  });

  it.each(functionsShown)("show in %s a function that can be deployed", (_document, source) => {
    // Below node_modules, so that a package that is shown is found.
    const folder = mkdtempSync(join(root, "build/documents-"));
    try {
      const file = join(folder, "shown.ts");
      writeFileSync(file, source);
      // In a process of its own, as `redisclient` does: here the test runner would have the import.
      const told = execFileSync(process.execPath, ["--input-type=module", "--eval", LOADING, file], {
        cwd: root,
        encoding: "utf8",
      });
      expect(JSON.parse(told)).toEqual({ name: expect.any(String), run: "function" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("give each decision a number of its own, and at most 40 lines", () => {
    // A number is not used again when its decision is removed.
    const numbers = decisions.map((file) => file.slice("docs/decisions/".length).split("-", 1)[0]);
    expect(numbers).toEqual([...new Set(numbers)]);
    expect(decisions.filter((file) => read(file).trimEnd().split("\n").length > 40)).toEqual([]);
  });

  it("say of each top-level folder what it is for, on at most 30 lines", () => {
    const ours = [...folders].filter((folder) => !/^(\.|docs$)/.test(folder));
    const [told, untold] = [true, false].map((is) => ours.filter((folder) => exists(`${folder}/README.md`) === is));
    expect(untold).toEqual([]);
    expect(told?.filter((folder) => read(`${folder}/README.md`).trimEnd().split("\n").length > 30)).toEqual([]);
  });
});
