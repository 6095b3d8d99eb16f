// Work in the foreground that starts things: the demo, `up` and the benchmarks. Whatever comes of it, what was started is ended;
// a signal does not wait for the work, and the exit code tells of it.

import { setTimeout as sleep } from "node:timers/promises";
import { interruptedBy, interruption } from "#compute/cli/interruption.ts";
import { ERRORS, LocusError } from "#runtime/errors.ts";
import { ProgramFailure } from "#test/owned-process.ts";

/** Between the two ends of one Ctrl-C, at most. Chosen, not measured: microseconds on a machine that is not loaded. */
const SIGNAL_LATE_MS = 250;

/** `resources` end when the work does, the last one first; `signal` aborts when the work is not waited for any more. */
type Work = (resources: AsyncDisposableStack, signal: AbortSignal) => Promise<void>;

/**
 * Rejects with what the work rejects with; where a program of its own failed, or whoever started it named something that will not do,
 * says so and sets the exit code; where a signal came it exits, when all resources have ended, and says that they have.
 */
export async function inForeground(work: Work): Promise<void> {
  const signal = interruption();
  const resources = new AsyncDisposableStack();
  try {
    await Promise.race([work(resources, signal), aborted(signal)]);
  } catch (error) {
    // A terminal tells its whole group: that something else ended of it may be known before the signal is.
    await Promise.race([aborted(signal), sleep(SIGNAL_LATE_MS)]);
    if (!signal.aborted) {
      if (!saysItAll(error)) throw error;
      console.error(`\n${error.message}`);
      process.exitCode = 1;
    }
  } finally {
    await resources.disposeAsync().then(
      () => {
        if (signal.aborted) console.error("\nStopped; everything that was started has ended, and its data is gone.");
      },
      (error: unknown) => {
        // What breaks because of a signal is no news.
        if (!signal.aborted) throw error;
      },
    );
  }
  const interrupted = interruptedBy();
  // Interrupted work may go on by itself, with what is no longer there.
  if (interrupted !== null) process.exit(interrupted.exitCode);
}

/** Where in our code it was noticed tells nobody anything. */
const saysItAll = (error: unknown): error is Error =>
  error instanceof ProgramFailure || (error instanceof LocusError && ERRORS[error.code].blame === "caller");

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
