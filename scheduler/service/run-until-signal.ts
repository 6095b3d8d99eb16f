// A program with one listener: starts it, and ends it with all that it needs when a signal says so.

import { once } from "node:events";
import { writeSync } from "node:fs";
import { LocusError } from "#runtime/errors.ts";
import type { Listener } from "../grpc/listener.ts";

const STDOUT = 1;
const STDERR = 2;
/** That calls under way get to end in. */
const GRACE_MS = 5_000;

/** A listener, and what it listens for, where that comes to an end by itself. */
interface Running extends Listener {
  readonly done?: Promise<void>;
}

/** Exits with 0 after a signal or when it is done, and with 1 where it cannot do its work, which is told on standard error. */
export async function runUntilSignal(
  start: (resources: AsyncDisposableStack, write: (line: string) => void) => Promise<Running>,
): Promise<never> {
  const resources = new AsyncDisposableStack();
  // From now on: whoever reads that it listens may tell it to end at once.
  const told = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]).then(() => null);
  try {
    const listener = await Promise.race([start(resources, (line) => print(STDOUT, line)), told]);
    if (listener !== null) {
      await Promise.race([told, ...(listener.done ? [listener.done] : [])]);
      await listener.close(GRACE_MS);
    }
    await resources.disposeAsync();
    process.exit(0);
  } catch (error) {
    print(STDERR, error instanceof LocusError ? error.message : String((error as Error).stack));
    process.exit(1);
  }
}

/** Whoever reads may have gone, or be behind. */
function print(descriptor: number, line: string): void {
  try {
    writeSync(descriptor, `${line}\n`);
  } catch {
    // The line is lost.
  }
}
