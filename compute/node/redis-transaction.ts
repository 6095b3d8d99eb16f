// Transactions in Redis: one at a time over a connection, and what they came to.

import type { ChainableCommander, Redis } from "ioredis";

/** The last one of each connection. */
const last = new WeakMap<Redis, Promise<void>>();

/**
 * One after another: those over one connection share what is watched, and the end of any makes Redis forget it. What one that comes to nothing still
 * watches makes the next one void once. Rejects as `work` does.
 */
export function inTurn<Result>(redis: Redis, work: () => Promise<Result>): Promise<Result> {
  const result = (last.get(redis) ?? Promise.resolve()).then(work);
  const ended = (): void => {};
  last.set(redis, result.then(ended, ended));
  return result;
}

/** False: what was watched has changed, and nothing was done. Rejects with what Redis refused of it. */
export async function isExecuted(transaction: ChainableCommander): Promise<boolean> {
  const replies = await transaction.exec();
  for (const [error] of replies ?? []) if (error !== null) throw error;
  return replies !== null;
}
