// A stack for as long as some work lasts, in the foreground: Ctrl-C, or a SIGTERM, ends both in good order.

import { interruption } from "./interruption.ts";
import { type Stack, type StackOptions, startStack } from "./stack.ts";

/** Starts a stack, does `work` with it and ends it, whatever comes of the work. A signal does not wait for the work. */
export async function inForeground(options: StackOptions, work: (stack: Stack) => Promise<void>): Promise<void> {
  const interrupted = interruption();
  const stack = await startStack(options);
  try {
    await Promise.race([interrupted, work(stack)]);
  } finally {
    await stack.close();
  }
}
