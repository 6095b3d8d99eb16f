// Loads a function's source into this process, to run it there without a sandbox. Only `redisclient` does that, with the
// functions of whoever starts it.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import type { FunctionDefinition } from "#runtime/function/define.ts";
import { LocusError } from "#runtime/errors.ts";

/** In the checkout functions are TypeScript; the package carries JavaScript. */
const EXTENSIONS = [".ts", ".js"];
const SAMPLES = resolve(import.meta.dirname, "../../functions");

/** `khop` is the sample of that name, `./khop.ts` a file. Rejects with FUNCTION_NOT_FOUND or FUNCTION_INVALID. */
export const loadLocalFunction = async (nameOrPath: string): Promise<FunctionDefinition> => {
  const path = pathOf(nameOrPath);
  if (path === undefined) {
    throw new LocusError(
      "FUNCTION_NOT_FOUND",
      `there is no file ${nameOrPath}, and no sample of that name in ${SAMPLES}`,
    );
  }
  const module = (await import(pathToFileURL(path).href)) as { readonly default?: FunctionDefinition };
  if (module.default?.kind !== "locus.function") {
    throw new LocusError("FUNCTION_INVALID", `${path} does not export what defineFunction returns by default`);
  }
  return module.default;
};

const pathOf = (nameOrPath: string): string | undefined => {
  const isPath = nameOrPath.includes("/") || EXTENSIONS.some((extension) => nameOrPath.endsWith(extension));
  const candidates = isPath
    ? [resolve(nameOrPath)]
    : EXTENSIONS.map((extension) => join(SAMPLES, nameOrPath + extension));
  return candidates.find((candidate) => existsSync(candidate));
};
