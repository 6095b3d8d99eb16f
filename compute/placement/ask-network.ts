// Measures the round trip to Redis by PINGs while others are at work, when a calibration is impossible.

import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";

/** PINGs are sent every millisecond for so long, and may be answered until twice that. */
const SEND_MS = 350;

/**
 * The shortest round trip, µs: the one that waited least for Redis' other work. null: no answer. A PING that the user
 * may not send is refused, which takes as long.
 */
export async function roundTripUsTo(redis: Redis): Promise<number | null> {
  const startMs = performance.now();
  let leastUs = Infinity;
  const pings: Promise<void>[] = [];
  while (performance.now() - startMs < SEND_MS) {
    pings.push(
      pingUs(redis).then((us) => {
        leastUs = Math.min(leastUs, us);
      }),
    );
    await pause(1);
  }
  await Promise.race([Promise.all(pings), pause(SEND_MS, undefined, { ref: false })]);
  return leastUs < Infinity ? leastUs : null;
}

/** Infinity: not answered. */
async function pingUs(redis: Redis): Promise<number> {
  const startMs = performance.now();
  try {
    await redis.ping();
  } catch (error) {
    if ((error as Error).name !== "ReplyError") return Infinity;
  }
  return 1e3 * (performance.now() - startMs);
}
