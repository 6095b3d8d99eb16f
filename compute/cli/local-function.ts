// Loads a function's source into this process, to run it there without a sandbox. Only `redisclient` does that, with the
// functions of whoever starts it: bundled as for a deployment, so that it is found and resolved as it is there.

import { existsSync, readdirSync, statSync } from "node:fs";
import { registerHooks, setSourceMapsSupport } from "node:module";
import { extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { bundleFunction } from "#runtime/function/bundle.ts";
import type { FunctionDefinition } from "#runtime/function/define.ts";
import { LocusError } from "#runtime/errors.ts";
import { didYouMean, similarNames } from "#runtime/similar-names.ts";

/** In the checkout functions are TypeScript; the package carries JavaScript. */
const EXTENSIONS = [".ts", ".js"];
const SAMPLES = resolve(import.meta.dirname, "../../functions");

/** `khop` is the sample of that name, anything else a file. Rejects with REQUEST_INVALID, FUNCTION_INVALID or BUNDLE_TOO_LARGE. */
export const loadLocalFunction = async (nameOrPath: string): Promise<FunctionDefinition> => {
  const path = pathOf(nameOrPath);
  if (path === undefined) {
    const samples = sampleNames();
    const similar = similarNames(nameOrPath, samples);
    throw new LocusError(
      "REQUEST_INVALID",
      `there is no file ${nameOrPath}, and no function of that name comes with locus; there are ${samples.join(", ")}`,
      similar.length === 0 ? {} : { remedy: `${didYouMean(similar)}Name one of these, or the file of a function.` },
    );
  }
  if (statSync(path).isDirectory()) {
    throw new LocusError("REQUEST_INVALID", `${path} is a folder: name the file of a function`);
  }
  return loadFile(path).catch((error: unknown) => {
    if (!(error instanceof LocusError) || error.code !== "FUNCTION_INVALID") throw error;
    // Nothing is deployed here.
    const remedy = "Correct what the message names, and run it again.";
    throw new LocusError(error.code, error.message, { cause: error, remedy });
  });
};

const loadFile = async (path: string): Promise<FunctionDefinition> => {
  const definition = await evaluate(path, await bundleFunction(path));
  if (definition?.kind !== "locus.function") {
    throw new LocusError("FUNCTION_INVALID", `${path} does not export what defineFunction returns by default`);
  }
  return definition;
};

/**
 * A bundle imports nothing, so it may come from anywhere: it is loaded as if it lay beside its source, where its source map
 * leads from, so that stacks name the author's files and lines.
 */
const evaluate = async (path: string, bundle: Uint8Array): Promise<FunctionDefinition | undefined> => {
  const bundleUrl = `${pathToFileURL(path).href}?bundle`;
  const hooks = registerHooks({
    load: (url, context, next) =>
      url === bundleUrl ? { format: "module", source: bundle, shortCircuit: true } : next(url, context),
  });
  setSourceMapsSupport(true, { nodeModules: true });
  try {
    const module: unknown = await import(bundleUrl);
    return (module as { readonly default?: FunctionDefinition }).default;
  } catch (error) {
    const thrown = `${String(error)}${placeInPackage(error)}`;
    throw new LocusError("FUNCTION_INVALID", `${path} throws while it is loaded: ${thrown}`, { cause: error });
  } finally {
    hooks.deregister();
  }
};

/** " at …": the first frame of its stack, if that is a package's. */
const placeInPackage = (error: unknown): string => {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const frame = /^ {4}(at .+)$/m.exec(stack)?.[1] ?? "";
  return frame.includes("node_modules/") ? ` ${frame}` : "";
};

const sampleNames = (): readonly string[] =>
  readdirSync(SAMPLES)
    .filter((file) => EXTENSIONS.includes(extname(file)) && !/\.(d|test)\./.test(file))
    .map((file) => file.slice(0, -extname(file).length));

const pathOf = (nameOrPath: string): string | undefined => {
  const samples = EXTENSIONS.map((extension) => join(SAMPLES, nameOrPath + extension));
  const candidates = nameOrPath.includes("/") ? [resolve(nameOrPath)] : [...samples, resolve(nameOrPath)];
  return candidates.find((candidate) => existsSync(candidate));
};
