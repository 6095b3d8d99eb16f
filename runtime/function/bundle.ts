// Makes one deployable file of an author's source: an ES module that imports nothing, with its source map inside, so that
// an error in the sandbox shows the author's file and line. The CLI bundles before it deploys. esbuild is used in this
// folder only.

import { isBuiltin } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { build, type BuildFailure, type Message, type Metafile } from "esbuild";
import { LocusError } from "#runtime/errors.ts";
import { BUNDLE_BYTES_MAX } from "./description.ts";
import { GUEST_GLOBALS } from "./globals.ts";
import { guestModules } from "./guest-modules.ts";

const MISTAKES_SHOWN_MAX = 10;
/** What names a package, or a file in one: no path. */
const PACKAGE_PATTERN = /^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*(\/|$)/i;
/** What npm has under this name is another's. */
const OWN_PATTERN = /^locus(\/|$)/;
/** esbuild would make a module of other files as well, with their text for its default export. */
const SOURCE_PATTERN = /\.[cm]?[jt]sx?$/;

/**
 * Bundles a function's TypeScript or JavaScript file with all that it imports; the same source gives the same bytes.
 * Takes tens of milliseconds. Throws FUNCTION_INVALID, naming file, line and reason, and BUNDLE_TOO_LARGE.
 */
export async function bundleFunction(entryFile: string): Promise<Uint8Array> {
  if (!SOURCE_PATTERN.test(entryFile)) {
    throw new LocusError(
      "FUNCTION_INVALID",
      `${entryFile} is no source of a function: name a TypeScript or JavaScript file (.ts, .js, .mts, .mjs, …)`,
    );
  }
  const { outputFiles, metafile } = await buildEntry(entryFile);
  const [bundle] = outputFiles;
  const [output] = Object.values(metafile.outputs);
  if (bundle === undefined || output === undefined) throw new Error(`esbuild made nothing of ${entryFile}`);

  if (!output.exports.includes("default")) {
    throw new LocusError(
      "FUNCTION_INVALID",
      `${entryFile} has no default export: write export default defineFunction({ … })`,
    );
  }
  if (bundle.contents.length > BUNDLE_BYTES_MAX) {
    throw new LocusError(
      "BUNDLE_TOO_LARGE",
      `${entryFile} makes a bundle of ${bundle.contents.length} bytes with its source map, at most ${BUNDLE_BYTES_MAX} are allowed; the largest parts: ${largestInputs(output)}`,
    );
  }
  return bundle.contents;
}

async function buildEntry(entryFile: string) {
  const path = resolve(entryFile);
  try {
    return await build({
      // Paths in the map and in comments are relative to this folder, so they do not tell where the author's checkout lies.
      absWorkingDir: dirname(path),
      entryPoints: [path],
      outfile: `${path}.bundle.js`,
      write: false,
      bundle: true,
      format: "esm",
      // Of a package's entries those for browsers fit best: they need neither Node.js nor, mostly, a page.
      platform: "browser",
      conditions: ["worker", "module"],
      define: { "process.env.NODE_ENV": '"production"' },
      target: "es2024",
      charset: "utf8",
      legalComments: "none",
      sourcemap: "inline",
      sourcesContent: true,
      metafile: true,
      logLevel: "silent",
      plugins: [guestModules],
    });
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    const mistakes = error.errors.slice(0, MISTAKES_SHOWN_MAX).map((mistake) => explain(mistake, dirname(entryFile)));
    throw new LocusError("FUNCTION_INVALID", `cannot bundle ${entryFile}: ${mistakes.join("\n")}`, { cause: error });
  }
}

const isBuildFailure = (error: unknown): error is BuildFailure =>
  error instanceof Error && "errors" in error && Array.isArray(error.errors);

/** One line: where, what, and for a module of Node.js what a function has instead. */
function explain({ location, text }: Message, folder: string): string {
  const missing = /^Could not resolve "(.+)"$/.exec(text)?.[1];
  // Without a place it is the entry itself that was not found.
  if (location === null) return missing === undefined ? text : `there is no file ${basename(missing)} in ${folder}`;
  const place = `${join(folder, location.file)}:${location.line}:${location.column + 1}`;
  if (missing === undefined) return `${place}: ${text}`;
  if (OWN_PATTERN.test(missing)) {
    return `${place}: "${missing}" is not there: of locus a function imports "locus/function" (its tests "locus/testing")`;
  }
  if (PACKAGE_PATTERN.test(missing) && !isBuiltin(missing)) {
    return `${place}: ${text}: install it beside the file (npm install ${packageOf(missing)})`;
  }
  if (!isBuiltin(missing)) return `${place}: ${text}`;
  return `${place}: "${missing}" is a module of Node.js, and a function has none; it has the language, ${GUEST_GLOBALS.join(", ")}, and packages that need no more`;
}

const packageOf = (imported: string): string =>
  imported
    .split("/")
    .slice(0, imported.startsWith("@") ? 2 : 1)
    .join("/");

function largestInputs({ inputs }: Metafile["outputs"][string]): string {
  return Object.entries(inputs)
    .toSorted(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
    .slice(0, 3)
    .map(([file, { bytesInOutput }]) => `${file} (${bytesInOutput} bytes)`)
    .join(", ");
}
