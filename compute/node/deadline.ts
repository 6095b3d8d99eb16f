// Bounds the slow steps before a call runs (a look-up in the registry, fetching a bundle): nobody waits for them past
// the call's deadline or cancel. The step itself goes on: others wait for the same one.

import { LocusError } from "#runtime/errors.ts";

/** Settles as `step` does, else rejects with DEADLINE_EXCEEDED or CANCELLED. `attempted`: "fetch the bundle of khop". */
export const withDeadline = <Value>(
  step: Promise<Value>,
  attempted: string,
  deadlineMs: number,
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
      reject(new LocusError("DEADLINE_EXCEEDED", `could not ${attempted} within ${deadlineMs} ms`));
    }, deadlineMs);
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
