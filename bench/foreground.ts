// A stack for as long as some work lasts, in the foreground: Ctrl-C, or a SIGTERM, ends both in good order.

import { constants } from "node:os";
import { type Stack, type StackOptions, startStack } from "./stack.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Starts a stack, does `work` with it and ends it, whatever comes of the work. A signal does not wait for the work, and the
 * process's exit code tells of it.
 */
export async function inForeground(options: StackOptions, work: (stack: Stack) => Promise<void>): Promise<void> {
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<void>();
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      interrupt();
    });
  }
  const stack = await startStack(options);
  try {
    await Promise.race([interrupted, work(stack)]);
  } finally {
    await stack.close();
  }
}
