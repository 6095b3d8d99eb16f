// The command line tools as a person starts them: each a process of its own, with settings of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const REPOSITORY = join(import.meta.dirname, "..");

/** The command line tools that come with locus. */
export type Tool = "batch" | "redisclient" | "locus";

/** Of locus', by their names in the environment. */
export type Settings = Readonly<Record<string, string>>;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  /** Empty where it went to ours. */
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** On stdout so far. */
  readonly printed: () => string;
  /** On stderr so far; empty where that is ours. */
  readonly told: () => string;
  readonly ended: Promise<Ended>;
}

export interface ToolOptions {
  /** Its stderr is ours. */
  readonly stderr?: "inherit";
  /** Leads a process group, to which whatever it starts belongs. */
  readonly detached?: boolean;
}

/** As users start it, by the name by which it is on their PATH. */
export const launcherOf = (tool: Tool): string => join(REPOSITORY, "node_modules", ".bin", tool);

/** This process' environment, with these settings and no other of locus'. */
export const environmentOf = (settings: Settings): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOCUS_"))),
  ...settings,
});

/** In the repository's folder. */
export function startTool(
  tool: Tool,
  argv: readonly string[],
  settings: Settings,
  { stderr: toStderr, detached = false }: ToolOptions = {},
): Running {
  const child = spawn(launcherOf(tool), argv, {
    cwd: REPOSITORY,
    env: environmentOf(settings),
    detached,
    stdio: ["ignore", "pipe", toStderr ?? "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const ended = once(child, "close").then(([status]) => ({ status: status as number | null, stdout, stderr }));
  return { child, printed: () => stdout, told: () => stderr, ended };
}

export const runTool = (tool: Tool, argv: readonly string[], settings: Settings): Promise<Ended> =>
  startTool(tool, argv, settings).ended;
