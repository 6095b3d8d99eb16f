// Ctrl-C, or a SIGTERM, as a promise, for programs that end what they have started before they end themselves.

import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Resolves at the first of the signals; the process's exit code then tells of it. A second signal ends the process at once. */
export function interruption(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      resolve();
    });
  }
  return promise;
}
