// What Redis tells of itself by INFO, as a map.

import type { Redis } from "ioredis";

/** Of one section; `everything` is all of them, the module's included. */
export async function infoOf(
  server: Redis,
  section: "everything" | "replication",
): Promise<ReadonlyMap<string, string>> {
  const lines = (await server.info(section)).split("\r\n").filter((line) => line.includes(":"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}
