// Programs that live and die together: what a supervisor does in a container that holds more than one of them. Process 1
// is a proper init above it, which reaps what is left.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

export interface Program {
  readonly name: string;
  /** A path or a name, and its arguments; no shell sees them. */
  readonly argv: readonly [string, ...string[]];
}

/** Longer than a node may take to let calls end (LOCUS_GRACE_MS, at most 300 s). Then comes SIGKILL. */
const STOP_TIMEOUT_MS = 310_000;
/** As a shell says that a program could not be started. */
const NOT_STARTED = 127;

/**
 * Starts them in order, with this process's output, and stops them in the reverse order, one after another, when `stop`
 * aborts or one of them ends. Resolves with the exit code: 0 if they were stopped and all ended well, else 1.
 */
export async function runTogether(programs: readonly Program[], stop: AbortSignal): Promise<number> {
  const running = programs.map((program) => ({ ...program, ...start(program) }));
  const told = Promise.withResolvers<void>();
  stop.addEventListener("abort", () => told.resolve(), { once: true });
  const ends = running.map(({ name, ended }) => ended.then((code) => ({ name, code })));
  const first = await Promise.race([told.promise, ...ends]);
  if (first !== undefined) process.stderr.write(`${first.name} ended by itself (${first.code}): stopping the others\n`);
  const codes = [];
  for (const { child, ended } of running.toReversed()) codes.push(await end(child, ended));
  return first === undefined && codes.every((code) => code === 0) ? 0 : 1;
}

/** In a process group of its own: a terminal's Ctrl-C reaches this process only, and each program hears of it once. */
function start({ argv: [file, ...args] }: Program): { readonly child: ChildProcess; readonly ended: Promise<number> } {
  const child = spawn(file, args, { stdio: "inherit", detached: true });
  const ended = once(child, "exit").then(
    ([code]) => (code as number | null) ?? 1,
    () => NOT_STARTED,
  );
  return { child, ended };
}

async function end(child: ChildProcess, ended: Promise<number>): Promise<number> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  const code = await ended;
  clearTimeout(timer);
  return code;
}
