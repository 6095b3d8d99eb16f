// A program of the machine, run to its end: what it printed, or an error that carries the end of that.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const TAIL_LENGTH = 3_000;

const run = promisify(execFile);

export interface CommandOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly directory?: string;
  readonly timeoutMs: number;
}

/** Standard output. Rejects when it fails, cannot be started, or takes longer. */
export async function runCommand(argv: readonly string[], options: CommandOptions): Promise<string> {
  const [program = "", ...rest] = argv;
  try {
    const { stdout } = await run(program, rest, {
      env: options.environment ?? process.env,
      cwd: options.directory,
      timeout: options.timeoutMs,
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`${argv.join(" ")}: ${message}\n${(stdout + stderr).slice(-TAIL_LENGTH)}`, { cause: error });
  }
}

/** Whether it can be run here and ends with status 0. */
export async function succeeds(argv: readonly string[], options: CommandOptions): Promise<boolean> {
  return runCommand(argv, options).then(
    () => true,
    () => false,
  );
}
