// Does the same call again and again for a while: so many calls that starting, ending and the clock do not matter.

export interface Repeated {
  readonly calls: number;
  readonly seconds: number;
}

/** One call at a time, at least one, until `budgetMs` are over. */
export async function repeatFor(budgetMs: number, call: () => Promise<void>): Promise<Repeated> {
  const startedMs = performance.now();
  for (let calls = 1; ; calls++) {
    await call();
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs >= budgetMs) return { calls, seconds: elapsedMs / 1e3 };
  }
}
