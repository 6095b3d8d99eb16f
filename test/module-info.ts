// What the module says of itself by LOCUS.INFO.

import type { Redis } from "ioredis";
import { infoOf } from "#compute/node/redis-info.ts";

/** By name. */
export const readInfo = async (client: Redis): Promise<ReadonlyMap<string, string>> =>
  infoOf(String(await client.call("LOCUS.INFO")));

/** Throws where the module tells no such thing. */
export function countIn(info: ReadonlyMap<string, string>, name: string): number {
  const count = info.get(name);
  if (count === undefined) throw new Error(`LOCUS.INFO does not tell ${name}`);
  return Number(count);
}
