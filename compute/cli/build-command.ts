// `locus build`: compiles the native parts, for this machine and the Node that runs this.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";

import type { Command } from "commander";

import { counted } from "#runtime/counted.ts";
import { LocusError } from "#runtime/errors.ts";
import { INSTALLATION } from "./installation.ts";
import { printJson, printLine, printNote } from "./output.ts";
import { withoutOptions } from "./program.ts";
import { Progress } from "./progress.ts";

const NEEDED = "g++ make libseccomp-dev libssl-dev nlohmann-json3-dev";
/** Of what compilers complained of, the last lines are shown where it fails. */
const COMPLAINTS_MAX = 30;

export const addBuildCommand = (program: Command): void => {
  withoutOptions(program.command("build"), "url")
    .description("compile the native parts of this installation, for this machine and this Node")
    .action(async (_flags: unknown, command: Command) => {
      const { json } = command.optsWithGlobals<{ readonly json?: boolean }>();
      const { root, headers } = INSTALLATION;
      if (!existsSync(join(headers, "node.h"))) {
        throw new LocusError(
          "UNSUPPORTED_PLATFORM",
          `${process.execPath} has no headers at ${headers}: run this with the Node that came with locus (npx locus build)`,
        );
      }
      const { addons, launcher, module } = INSTALLATION;
      const built = [launcher, ...addons, module];
      const failure = await make(
        built.map((part) => relative(root, part)),
        [`--directory=${root}`, `NODE=${process.execPath}`, `NODE_INCLUDE=${headers}`],
      );
      if (failure !== null) {
        throw new LocusError(
          "UNSUPPORTED_PLATFORM",
          `${failure}. Needed, by the names of Debian's packages: ${NEEDED}`,
        );
      }
      if (json === true) printJson({ built });
      else printLine(`built ${built.join(", ")}`);
    });
};

/**
 * null, or why not all `targets` were made. What a package brings says nothing of whom it was compiled for, and is newer than its sources: there files'
 * times are not gone by. In a checkout they are, since what lies there was made there, and others may be running by it.
 */
const make = async (targets: readonly string[], settings: readonly string[]): Promise<string | null> => {
  const options = ["--output-sync=target", `--jobs=${availableParallelism()}`];
  if (!INSTALLATION.isCheckout) options.push("--always-make");
  const making = spawn("make", [...options, ...settings, ...targets], { stdio: ["ignore", "pipe", "pipe"] });
  const progress = new Progress();
  const complaints: string[] = [];
  let made = 0;
  createInterface(making.stdout).on("line", (line) => {
    const [, file] = / -o (\S+)/.exec(line) ?? [];
    if (file === undefined) return;
    made++;
    progress.step(() => `${counted(made, "file")} compiled, the last one ${file}`);
  });
  createInterface(making.stderr).on("line", (line) => {
    complaints.push(line);
    if (complaints.length > COMPLAINTS_MAX) complaints.shift();
  });
  const failure = await Promise.race([
    once(making, "close").then(([code]) => (code === 0 ? null : `make ended with exit code ${code}`)),
    once(making, "error").then(([error]) => `make cannot be run: ${(error as Error).message}`),
  ]).finally(() => progress.end());
  if (failure !== null) complaints.forEach(printNote);
  return failure;
};
