// The secret by which nodes know each other where nobody has set one: made by the first of them, and kept in Redis, where only nodes can read it.

import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { LocusError } from "#runtime/errors.ts";

const KEY = "locus:controller:secret";
const BYTES = 24;

/** Rejects as ioredis does, and with REDIS_UNAVAILABLE where Redis was emptied meanwhile. */
export async function sharedSecret(redis: Redis): Promise<string> {
  const made = randomBytes(BYTES).toString("base64url");
  if ((await redis.set(KEY, made, "NX")) === "OK") return made;
  const kept = await redis.get(KEY);
  if (kept === null) throw new LocusError("REDIS_UNAVAILABLE", "the nodes' secret was taken away while it was read");
  return kept;
}

/** Where somebody has emptied Redis: those that come later are to have the same. Rejects as ioredis does. */
export async function keepSecret(redis: Redis, secret: string): Promise<void> {
  await redis.set(KEY, secret, "NX");
}
