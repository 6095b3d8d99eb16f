// What a container engine answers, waited for so long and no longer.

/** Of one question: it queues starts where its machine is short of something. */
const ENGINE_TIMEOUT_MS = 60_000;

/** Rejects as `promise` does, or where the engine hangs. */
export async function within<Value>(promise: Promise<Value>, attempted: string): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const error = new Error(`${attempted}: the engine did not answer within ${ENGINE_TIMEOUT_MS} ms`);
  const timer = setTimeout(() => reject(error), ENGINE_TIMEOUT_MS);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether it says that there is no such thing. */
export const isAbsent = (error: unknown): boolean => (error as { readonly statusCode?: number }).statusCode === 404;

/** Whether it says that there is such a container, and that it does not run. */
export const isNotRunning = (error: unknown): boolean => (error as { readonly statusCode?: number }).statusCode === 409;
