// A program that somebody here has started and ends: its output in a log, told to stop and then made to, and killed at the
// latest when this process exits, so that nothing outlives a second Ctrl-C; by the kernel where this process is killed.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";

/** What an error shows of a log. */
const TAIL_LINES = 10;
const TAIL_LINE_LENGTH_MAX = 300;

/** What became of a program that was started. Its message says it all: where in our code it was noticed tells nobody anything. */
export class ProgramFailure extends Error {}

/** How a program ended, for a sentence: "with exit code 1". */
export const endingText = (how: number | NodeJS.Signals): string =>
  typeof how === "number" ? `with exit code ${how}` : `killed by ${how}`;

/** What becomes the program that follows, to be killed with the process that has started it. */
const KILLED_WITH_US = ["--pdeathsig", "KILL", "--"];

export interface OwnedProcessOptions {
  readonly argv: readonly [string, ...string[]];
  readonly environment?: NodeJS.ProcessEnv;
  readonly directory?: string;
  /** Appended to. */
  readonly logPath: string;
  /** How long it may take to stop when it is told to. */
  readonly stopTimeoutMs: number;
}

export class OwnedProcess {
  readonly #child: ChildProcess;
  readonly #options: OwnedProcessOptions;
  /** Its exit code or the signal that ended it, when it has ended; 127 where there is no such program. */
  readonly ended: Promise<number | NodeJS.Signals>;

  constructor(options: OwnedProcessOptions) {
    const { argv, environment, directory, logPath } = options;
    const log = openSync(logPath, "a");
    this.#options = options;
    this.#child = spawn("setpriv", [...KILLED_WITH_US, ...argv], {
      env: environment ?? process.env,
      cwd: directory,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.ended = once(this.#child, "exit").then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals);
    this.ended.catch(() => {}); // not everyone watches
    killAtExit(this.#child);
  }

  /** 0 where it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last lines of its log, for an error. */
  logTail(): string {
    return tailOf(this.#options.logPath);
  }

  /** Resolves when it has ended. Idempotent. */
  async stop(how: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill(how);
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), this.#options.stopTimeoutMs);
    await this.ended;
    clearTimeout(timer);
  }
}

/** Lines that are too long are cut. */
export function tailOf(logPath: string): string {
  const lines = readFileSync(logPath, "utf8").trimEnd().split("\n").slice(-TAIL_LINES);
  const cut = (line: string): string =>
    line.length > TAIL_LINE_LENGTH_MAX ? `${line.slice(0, TAIL_LINE_LENGTH_MAX)}…` : line;
  return lines.map((line) => `  ${cut(line)}`).join("\n");
}

const running = new Set<ChildProcess>();

/** One listener for all of them. */
function killAtExit(child: ChildProcess): void {
  if (running.size === 0) process.on("exit", killAll);
  running.add(child);
  child.once("exit", () => {
    running.delete(child);
    if (running.size === 0) process.off("exit", killAll);
  });
}

function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}
