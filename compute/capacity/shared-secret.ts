// The secret by which nodes know each other where nobody has set one: made by the first of them, and kept in Redis, where only nodes can read it.

import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";

const KEY = "locus:controller:secret";
const BYTES = 24;

/** Rejects as ioredis does. */
export async function sharedSecret(redis: Redis): Promise<string> {
  const made = randomBytes(BYTES).toString("base64url");
  if ((await redis.set(KEY, made, "NX")) === "OK") return made;
  return (await redis.get(KEY)) ?? made;
}
