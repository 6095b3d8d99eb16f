// A program that somebody here has started and ends: its output in a log, told to stop and then made to, and killed at the
// latest when this process exits, so that nothing outlives a second Ctrl-C.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";

const LOG_TAIL_LENGTH = 4_000;

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
  /** Its exit code or the signal that ended it, when it has ended. Rejects where it could not be started. */
  readonly ended: Promise<number | NodeJS.Signals>;

  constructor(options: OwnedProcessOptions) {
    const { argv, environment, directory, logPath } = options;
    const [program, ...rest] = argv;
    const log = openSync(logPath, "a");
    this.#options = options;
    this.#child = spawn(program, rest, {
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

  /** The end of its log, for an error. */
  logTail(): string {
    return readFileSync(this.#options.logPath, "utf8").slice(-LOG_TAIL_LENGTH);
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
