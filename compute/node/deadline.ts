// Bounds the slow steps before a call runs (a look-up in the registry, fetching a bundle): nobody waits for them past
// the call's deadline or cancel. The step itself goes on: others may wait for the same one.

import { LocusError, type ErrorCode } from "#runtime/errors.ts";

interface Bound {
  /** What the step does: "fetch the bundle of khop". */
  readonly attempted: string;
  readonly timeoutMs: number;
  /** What it means when the time is over. */
  readonly code: ErrorCode;
}

/** Settles as `step` does, else rejects with `code` or CANCELLED. */
export const withDeadline = <Value>(
  step: Promise<Value>,
  { attempted, timeoutMs, code }: Bound,
  signal?: AbortSignal,
): Promise<Value> =>
  new Promise<Value>((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
    };
    const cancel = (): void => {
      leave();
      reject(new LocusError("CANCELLED", `cancelled while the node tried to ${attempted}`));
    };
    const timer = setTimeout(() => {
      leave();
      reject(new LocusError(code, `could not ${attempted} within ${timeoutMs} ms`));
    }, timeoutMs);
    step.then(
      (value) => {
        leave();
        resolve(value);
      },
      (error: unknown) => {
        leave();
        reject(error);
      },
    );
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener("abort", cancel, { once: true });
  });
