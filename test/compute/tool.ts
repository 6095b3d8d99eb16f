// The command line tools as a person starts them: each a process of its own, with settings of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Tool } from "#bench/stack.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** On stdout so far. */
  readonly printed: () => string;
  readonly ended: Promise<Ended>;
}

/** In the repository's folder; `settings` are all that it has of locus'. */
export function startTool(tool: Tool, argv: readonly string[], settings: Readonly<Record<string, string>>): Running {
  const program = join(REPOSITORY, "compute", "cli", `main-${tool}.ts`);
  const env = { PATH: process.env["PATH"], ...settings };
  const child = spawn(process.execPath, [program, ...argv], {
    cwd: REPOSITORY,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const ended = once(child, "close").then(([status]) => ({ status: status as number | null, stdout, stderr }));
  return { child, printed: () => stdout, ended };
}

export const runTool = (
  tool: Tool,
  argv: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<Ended> => startTool(tool, argv, settings).ended;
