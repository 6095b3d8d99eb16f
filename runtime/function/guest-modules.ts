// How a bundle's imports are found: an esbuild plugin that gives every function, wherever its file lies, this release's
// `locus/function`, and typebox where the author has none. Used by `bundle.ts` only.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "esbuild";

const require = createRequire(import.meta.url);
const folder = dirname(fileURLToPath(import.meta.url));
/** Marks a resolution that this plugin asked for itself. */
const ASKED_HERE = { askedBy: "locus" };

export const guestModules: Plugin = {
  name: "locus",
  setup(build) {
    // A namespace instead of a path: the bundle, hence its version, must not depend on where locus is installed.
    build.onResolve({ filter: /^locus\/function$/ }, ({ path }) => ({ path, namespace: "locus" }));
    build.onLoad({ filter: /^locus\/function$/, namespace: "locus" }, async ({ path }) => ({
      contents: await readFile(require.resolve(path), "utf8"),
      loader: "ts",
    }));

    build.onResolve({ filter: /^typebox(\/|$)/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
      if (pluginData === ASKED_HERE) return undefined;
      const theirs = await build.resolve(path, { kind, importer, resolveDir, pluginData: ASKED_HERE });
      if (theirs.errors.length === 0) return theirs;
      return build.resolve(path, { kind, resolveDir: folder, pluginData: ASKED_HERE });
    });

    // esbuild would leave these in place, and the isolate has nothing that could load them.
    build.onResolve({ filter: /^(https?:)?\/\// }, ({ path }) => ({
      errors: [{ text: `"${path}" is a web address; a function loads no code while it runs, so install the package` }],
    }));

    // Seen from the function's file: its own folder may be that of an installed package.
    const { absWorkingDir = "" } = build.initialOptions;
    build.onLoad({ filter: /\/node_modules\/.*\.[cm]?js$/ }, async ({ path }) => {
      const isOfPackage = relative(absWorkingDir, path).includes("node_modules/");
      // esbuild itself leaves a disabled file empty, and does not tell which one is.
      return isOfPackage && !(await isDisabled(path)) ? { contents: await readWithOwnMap(path) } : undefined;
    });
  },
};

/** Whether the package of the file says that it is empty in browsers: `"browser": { "./fs.js": false }`. */
async function isDisabled(file: string): Promise<boolean> {
  const root = packageOf(file);
  const { browser } = parsed(await readFile(join(root, "package.json"), "utf8").catch(() => "{}")) as Manifest;
  if (typeof browser !== "object" || browser === null) return false;
  const path = `./${relative(root, file)}`;
  const named = [path, path.replace(/\.[cm]?js$/, ""), path.replace(/\/index\.[cm]?js$/, "")];
  return named.some((name) => (browser as Readonly<Record<string, unknown>>)[name] === false);
}

interface Manifest {
  readonly browser?: unknown;
}

/** The folder of the package that a file belongs to: the nearest one with a manifest. */
function packageOf(file: string): string {
  let root = dirname(file);
  while (!existsSync(join(root, "package.json")) && root.includes("/node_modules/")) root = dirname(root);
  return root;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) ?? {};
  } catch {
    return {};
  }
}

/**
 * Reads a package's file with a source map that leads to its own lines: many packages have maps that lead to files which
 * they do not have.
 */
async function readWithOwnMap(file: string): Promise<string> {
  const text = await readFile(file, "utf8");
  const mappings = `AAAA${";AACA".repeat(text.split("\n").length - 1)}`;
  const map = JSON.stringify({ version: 3, sources: [basename(file)], sourcesContent: [""], mappings });
  return `${text}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString("base64")}`;
}
