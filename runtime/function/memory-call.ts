// Calls a function in plain Node over values in memory, and notes the rounds in which it read and wrote: what the unit
// tests of functions use.

import { guestRedisOver } from "#runtime/channel/guest-redis-over.ts";
import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import type { FunctionDefinition, GuestRedis, Log } from "./define.ts";

export interface Memory {
  /** The values, for the test itself: not noted. */
  readonly redis: GuestRedis;
  /** What functions sent: each round's operations, as text. */
  readonly rounds: string[][];
  /** The values, for functions. */
  readonly notedRedis: GuestRedis;
}

/** A memory with these string keys in it. */
export async function memoryOf(values: Readonly<Record<string, string>> = {}): Promise<Memory> {
  const channel = new MemoryChannel();
  const redis = guestRedisOver(channel);
  if (Object.keys(values).length > 0) await redis.mset(values);

  const rounds: string[][] = [];
  const notedRedis = guestRedisOver({
    send(round) {
      rounds.push(round.map((words) => words.map((word) => Buffer.from(word).toString()).join(" ")));
      return channel.send(round);
    },
  });
  return { redis, rounds, notedRedis };
}

/** Runs the function once; its schemas are not checked. */
export async function call<Args, Result>(
  { run }: FunctionDefinition<Args, Result>,
  args: Args,
  memory?: Memory,
  keys: readonly string[] = [],
): Promise<Result> {
  const { notedRedis } = memory ?? (await memoryOf());
  return run({ redis: notedRedis, args, keys, log: SILENT });
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };
