// Asks Redis for what the network to it takes, by PINGs and ECHOs on a connection that stands: the least of many tells it while others are at work, too. Who controls
// does so where it cannot calibrate yet; `runtime/placement/calibration.ts` makes constants of it.

import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { RoundTrips } from "#runtime/placement/calibration.ts";

/** One each ms or so, and no more once this has passed, ms. Of a Redis that runs one script of 14 ms after another few come just before one ends: the least of 128 had still waited for a quarter of a millisecond. */
const PINGS_MAX = 256;
const SEND_MS = 350;
/** For the last answers, ms since the first was sent: over a network that takes longer nothing is known. */
const PINGS_MS = 500;
/** All of it. */
const WITHIN_MS = 700;
/** As calibration moves them. With those that come back 256 KiB in all. */
const ECHO_BYTES = 16_384;
const ECHOS_MAX = 8;

/** Takes less than WITHIN_MS, and never rejects. What Redis refuses it has answered, which takes as long; a refused ECHO moves no bytes, and counts for none. */
export async function askNetwork(redis: Redis): Promise<RoundTrips> {
  const startMs = performance.now();
  const leftMs = (ofMs: number): number => Math.max(0, startMs + ofMs - performance.now());
  const pingsUs: number[] = [];
  const asked: Promise<void>[] = [];
  while (asked.length < PINGS_MAX && leftMs(SEND_MS) > 0) {
    asked.push(ping(redis, pingsUs));
    await pause(1);
  }
  await withinMs(Promise.all(asked), leftMs(PINGS_MS));
  const pingsInTurnUs: number[] = [];
  const echosUs: number[] = [];
  await withinMs(
    (async () => {
      // The first one opens TCP's window, and is not counted.
      for (let count = 0; count <= ECHOS_MAX && leftMs(WITHIN_MS) > 0; count++) {
        await ping(redis, pingsInTurnUs);
        const us = await echoUs(redis);
        if (us === null) return;
        if (count > 0) echosUs.push(us);
      }
    })(),
    leftMs(WITHIN_MS),
  );
  // What comes later is not counted.
  const inTurn = { pingsUs: [...pingsInTurnUs], echosUs: [...echosUs], bytesMoved: 2 * ECHO_BYTES };
  return { pingsUs: [...pingsUs], inTurn };
}

async function ping(redis: Redis, tookUs: number[]): Promise<void> {
  const startMs = performance.now();
  try {
    await redis.ping();
  } catch (error) {
    if ((error as Error).name !== "ReplyError") return;
  }
  tookUs.push((performance.now() - startMs) * 1e3);
}

/** null: there was none. */
async function echoUs(redis: Redis): Promise<number | null> {
  const startMs = performance.now();
  try {
    await redis.echoBuffer(LONG);
  } catch {
    return null;
  }
  return (performance.now() - startMs) * 1e3;
}

const LONG = Buffer.alloc(ECHO_BYTES, "b");

const withinMs = (work: Promise<unknown>, ms: number): Promise<unknown> =>
  Promise.race([work, pause(ms, undefined, { ref: false })]);
