// `locus build`: compiles the native parts anew, for this machine and the Node that runs this.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

import type { Command } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { INSTALLATION } from "./installation.ts";
import { printJson, printLine } from "./output.ts";
import { withoutOptions } from "./program.ts";

const NEEDED = "g++ make libseccomp-dev libssl-dev nlohmann-json3-dev";

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
      const settings = [`NODE=${process.execPath}`, `NODE_INCLUDE=${headers}`];
      const make = spawn("make", [`--directory=${root}`, `--jobs=${availableParallelism()}`, ...settings], {
        // What it does is beside the result.
        stdio: ["ignore", process.stderr, process.stderr],
      });
      const failure = await Promise.race([
        once(make, "exit").then(([code]) => (code === 0 ? null : `make ended with exit code ${code}`)),
        once(make, "error").then(([error]) => `make cannot be run: ${(error as Error).message}`),
      ]);
      if (failure !== null) {
        throw new LocusError(
          "UNSUPPORTED_PLATFORM",
          `${failure}. Needed, by the names of Debian's packages: ${NEEDED}`,
        );
      }
      const { addons, launcher, module } = INSTALLATION;
      const built = [launcher, ...addons, module];
      if (json === true) printJson({ built });
      else printLine(`built ${built.join(", ")}`);
    });
};
