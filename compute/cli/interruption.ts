// Ctrl-C, and what else tells a program to stop before it is done: the same for the command line tools, the demo and the
// benchmarks. (A node is told to stop when it is done: `compute/node/stop.ts`.)

import { constants } from "node:os";

import { LocusError } from "#runtime/errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Why a program ended early, with the exit code that says so. */
export class Interrupted extends LocusError {
  readonly exitCode: number;

  constructor(signal: (typeof SIGNALS)[number]) {
    super("CANCELLED", `interrupted by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

let shared: AbortSignal | undefined;

/** Aborts at the first signal, its reason an `Interrupted`; who asked for it ends in good order. A second one does not wait for that. */
export const interruption = (): AbortSignal => (shared ??= listen());

/** null where nothing has interrupted this program, or it has not asked to be told. */
export const interruptedBy = (): Interrupted | null =>
  shared?.aborted === true ? (shared.reason as Interrupted) : null;

const listen = (): AbortSignal => {
  const controller = new AbortController();
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      const interrupted = new Interrupted(signal);
      if (controller.signal.aborted) process.exit(interrupted.exitCode);
      controller.abort(interrupted);
    });
  }
  return controller.signal;
};
