// The work of `locus deploy`: files become functions, one after another, each with its own outcome. What is wrong with one
// says nothing of the next; what stands in the way of all of them ends it, and the rest are told as not tried.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { LocusError } from "#runtime/errors.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { failureOf, type Failure } from "./failure.ts";
import type { NodeClient } from "./node-client.ts";

interface FileDeployed {
  readonly file: string;
  /** `unchanged`: the same version was deployed before. */
  readonly outcome: "deployed" | "replaced" | "unchanged";
  readonly name: string;
  readonly version: string;
}

interface FileNotDeployed {
  readonly file: string;
  readonly outcome: "failed" | "not tried";
  /** null where it was not tried. */
  readonly error: Failure | null;
}

export type FileOutcome = FileDeployed | FileNotDeployed;

/** Of a folder, as an example of what to name. */
const FILES_SHOWN_MAX = 5;

/** `onOutcome` is told of each file, in order. Resolves with the exit code: `EXIT.ok` if all are deployed. */
export const deployFiles = async (
  node: Pick<NodeClient, "deploy">,
  files: readonly string[],
  onOutcome: (outcome: FileOutcome) => void,
): Promise<number> => {
  let exitCode: number = EXIT.ok;
  let stopped = false;
  for (const file of files) {
    if (stopped) {
      onOutcome({ file, outcome: "not tried", error: null });
      continue;
    }
    try {
      onOutcome(await deployFile(node, file));
    } catch (error) {
      exitCode = exitCodeOf(error);
      stopped = exitCode !== EXIT.failed;
      onOutcome({ file, outcome: "failed", error: failureOf(error) });
    }
  }
  return exitCode;
};

const deployFile = async (node: Pick<NodeClient, "deploy">, file: string): Promise<FileDeployed> => {
  await checkFile(file);
  const { name, version, previousVersion } = await node.deploy(await bundleFunction(file));
  const replaced = previousVersion === version ? "unchanged" : "replaced";
  return { file, outcome: previousVersion === null ? "deployed" : replaced, name, version };
};

/** Which files of a folder are functions only their author knows: it is refused. */
const checkFile = async (path: string): Promise<void> => {
  const found = await stat(path).catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException;
    const what = code === "ENOENT" ? `there is no file ${path}` : `cannot read ${path}: ${message}`;
    throw new LocusError("REQUEST_INVALID", what, { cause: error });
  });
  if (!found.isDirectory()) return;
  const sources = (await readdir(path))
    .filter((name) => /\.[cm]?[jt]sx?$/.test(name) && !/\.(d|test)\./.test(name))
    .toSorted();
  const shown = sources.slice(0, FILES_SHOWN_MAX).map((name) => join(path, name));
  const example = shown.length === 0 ? "there are no sources in it" : `such as ${shown.join(" ")}`;
  throw new LocusError("REQUEST_INVALID", `${path} is a folder: name the files of the functions, ${example}`);
};
