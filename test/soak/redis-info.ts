// What Redis tells of itself by INFO, as a map.

import type { Redis } from "ioredis";
import { infoOf as mapOf } from "#compute/node/redis-info.ts";

/** Of one section; `everything` is all of them, the module's included. */
export async function infoOf(
  server: Redis,
  section: "everything" | "replication",
): Promise<ReadonlyMap<string, string>> {
  return mapOf(await server.info(section));
}
