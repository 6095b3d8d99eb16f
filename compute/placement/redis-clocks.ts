// What Redis and the sandbox hosts beside it have worked since Redis started, read from INFO and LOCUS.INFO.

import type { Redis } from "ioredis";
import type { RedisClocks } from "#runtime/placement/corrections.ts";
import { infoOf } from "../node/redis-info.ts";

export type Info = ReadonlyMap<string, string>;

/** Both answers in one map; no name is in both. */
export async function readRedisInfo(redis: Redis, ...sections: readonly string[]): Promise<Info> {
  const [module, server] = await Promise.all([
    redis.call("LOCUS.INFO"),
    sections.length > 0 ? redis.call("info", ...sections) : "",
  ]);
  return new Map([...infoOf(String(server)), ...infoOf(String(module))]);
}

export const CLOCK_SECTIONS = ["cpu", "stats", "commandstats"] as const;

export function redisClocksIn(info: Info): Omit<RedisClocks, "atMs"> {
  const numberOf = (name: string, otherwise = 0): number => Number(info.get(name) ?? otherwise);
  const mainThreadUs = 1e6 * (numberOf("used_cpu_user_main_thread") + numberOf("used_cpu_sys_main_thread"));
  const allThreadsUs = 1e6 * (numberOf("used_cpu_user") + numberOf("used_cpu_sys"));
  // Another thread held Redis' lock, so Redis' own thread could not work.
  const lentUs = numberOf("lock_us") - numberOf("lock_us_of_main_thread");
  let commandsUs = 0;
  for (const [name, text] of info) {
    if (name.startsWith("cmdstat_") && !RUNS_OTHERS.test(name)) commandsUs += Number(/usec=(\d+)/.exec(text)?.[1] ?? 0);
  }
  return {
    redisUs: mainThreadUs + lentUs,
    hostsUs: numberOf("hosts_cpu_us") + allThreadsUs - mainThreadUs - lentUs,
    commands: numberOf("total_commands_processed", Number.NaN) - numberOf("operations_as_commands"),
    commandsUs,
  };
}

/** Commands that run other commands, which are counted themselves. */
const RUNS_OTHERS = /^cmdstat_(?:locus\.|exec$|eval|fcall)/;
