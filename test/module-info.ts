// What the module says of itself by LOCUS.INFO.

import type { Redis } from "ioredis";
import { infoOf } from "#compute/node/redis-info.ts";

/** By name. */
export const readInfo = async (client: Redis): Promise<ReadonlyMap<string, string>> =>
  infoOf(String(await client.call("LOCUS.INFO")));
