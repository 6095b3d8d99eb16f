// How a bundle's imports are found: an esbuild plugin that gives every function, wherever its file lies, this release's
// `locus/function`, and typebox where the author has none. Used by `bundle.ts` only.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname } from "node:path";
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
      contents: await readWithoutSource(require.resolve(path)),
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

    build.onLoad({ filter: /\/node_modules\/.*\.[cm]?js$/ }, async ({ path }) => ({
      contents: await readWithoutSource(path),
    }));
  },
};

/**
 * Reads a library's file with a source map that names it and holds nothing else. The bundle's own map is then the author's
 * source alone: with typebox in it a bundle is a quarter of the size, and far from BUNDLE_BYTES_MAX.
 */
async function readWithoutSource(file: string): Promise<string> {
  const map = JSON.stringify({ version: 3, sources: [basename(file)], sourcesContent: [""], mappings: "AAAA" });
  const text = await readFile(file, "utf8");
  return `${text}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString("base64")}`;
}
