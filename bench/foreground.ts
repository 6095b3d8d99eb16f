// Work in the foreground that starts things: the demo, `up` and the benchmarks. Whatever comes of it, what was started is ended;
// a signal does not wait for the work, and the exit code tells of it.

import { setTimeout as sleep } from "node:timers/promises";
import { interruptedBy, interruption } from "#compute/cli/interruption.ts";
import { ProgramFailure } from "#test/owned-process.ts";

/** Between the two ends of one Ctrl-C, at most. Chosen, not measured: microseconds on a machine that is not loaded. */
const SIGNAL_LATE_MS = 250;

/** `resources` end when the work does, the last one first; `signal` aborts when the work is not waited for any more. */
type Work = (resources: AsyncDisposableStack, signal: AbortSignal) => Promise<void>;

/**
 * Rejects with what the work rejects with; where a program of its own failed, says so and sets the exit code; where a signal came
 * it exits, when all resources have ended.
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
      if (!(error instanceof ProgramFailure)) throw error;
      console.error(`\n${error.message}`);
      process.exitCode = 1;
    }
  } finally {
    // What breaks because of a signal is no news.
    await resources.disposeAsync().catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
  const interrupted = interruptedBy();
  // Interrupted work may go on by itself, with what is no longer there.
  if (interrupted !== null) process.exit(interrupted.exitCode);
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
