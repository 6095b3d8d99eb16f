// What a transaction in Redis came to.

import type { ChainableCommander } from "ioredis";

/** False: what was watched has changed, and nothing was done. Rejects with what Redis refused of it. */
export async function isExecuted(transaction: ChainableCommander): Promise<boolean> {
  const replies = await transaction.exec();
  for (const [error] of replies ?? []) if (error !== null) throw error;
  return replies !== null;
}
