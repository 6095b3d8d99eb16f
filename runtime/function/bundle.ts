// Makes one deployable file of an author's source: an ES module that imports nothing, with its source map inside, so that
// an error in the sandbox shows the author's file and line. The CLI bundles before it deploys. esbuild is used in this
// folder only.

import { realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { build, type BuildFailure, type Metafile } from "esbuild";
import { LocusError } from "#runtime/errors.ts";
import { BUNDLE_BYTES_MAX, CODE_BYTES_MAX } from "./description.ts";
import { explainMistake } from "./bundling-mistake.ts";
import { guestModules } from "./guest-modules.ts";
import { LOADERS } from "./loaders.ts";
import { joinSourceMap } from "./source-map.ts";
import { type MappedCode, nameSources } from "./source-names.ts";

const MISTAKES_SHOWN_MAX = 10;
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
  const [mapFile, codeFile] = outputFiles;
  const output = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint !== undefined);
  if (mapFile === undefined || codeFile === undefined || output === undefined) {
    throw new Error(`esbuild made nothing of ${entryFile}`);
  }
  if (!output.exports.includes("default")) {
    throw new LocusError(
      "FUNCTION_INVALID",
      `${entryFile} has no default export: write export default defineFunction({ … })`,
    );
  }
  const made = { code: codeFile.text, mapJson: mapFile.text };
  const codeBytes = Buffer.byteLength(made.code);
  if (codeBytes > CODE_BYTES_MAX) {
    throw new LocusError(
      "BUNDLE_TOO_LARGE",
      `${entryFile} makes a bundle with ${codeBytes} bytes of code, at most ${CODE_BYTES_MAX} are allowed; the largest parts: ${largestInputs(output)}`,
    );
  }
  const bundle = bundleOf(nameSources(made, false));
  return bundle.length <= BUNDLE_BYTES_MAX ? bundle : bundleOf(nameSources(made, true));
}

const bundleOf = ({ code, mapJson }: MappedCode): Uint8Array => Buffer.from(joinSourceMap(code, mapJson));

async function buildEntry(entryFile: string) {
  // The same bundle through a symbolic link.
  const path = await realpath(entryFile).catch(() => resolve(entryFile));
  try {
    return await build({
      // Paths in the map and in names are relative to this folder, so they do not show where the author's checkout lies.
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
      loader: LOADERS,
      // Names stay: messages of V8 quote variables (`rows.map is not a function`), and errors show functions and classes.
      minifyWhitespace: true,
      charset: "utf8",
      legalComments: "none",
      sourcemap: "external",
      sourcesContent: true,
      metafile: true,
      logLevel: "silent",
      plugins: [guestModules],
    });
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    const folder = path === resolve(entryFile) ? dirname(entryFile) : dirname(path);
    const mistakes = error.errors.slice(0, MISTAKES_SHOWN_MAX).map((mistake) => explainMistake(mistake, folder));
    throw new LocusError("FUNCTION_INVALID", `cannot bundle ${entryFile}: ${mistakes.join("\n")}`, { cause: error });
  }
}

const isBuildFailure = (error: unknown): error is BuildFailure =>
  error instanceof Error && "errors" in error && Array.isArray(error.errors);

function largestInputs({ inputs }: Metafile["outputs"][string]): string {
  return Object.entries(inputs)
    .toSorted(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
    .slice(0, 3)
    .map(([file, { bytesInOutput }]) => `${file} (${bytesInOutput} bytes)`)
    .join(", ");
}
