// Functions beside Redis that want all they can get: so many calls in flight that no isolate waits for one.

import { setTimeout as sleep } from "node:timers/promises";
import { countIn, readInfo } from "#test/module-info.ts";
import { FANOUT_WIDTH, fanoutOf, SIEVE, type Workload } from "../access/workloads.ts";
import type { PlacedStack } from "../harness/placed-stack.ts";

/** More than there are isolates of one function, whatever the machine; each on a connection of its own. */
const CALLS_IN_FLIGHT = 8;
/** So many that calling does not matter, and so few that each client soon has a call behind it. */
const READS_PER_CALL = 50 * FANOUT_WIDTH;

export interface FunctionLoad extends Workload<unknown> {
  readonly function: string;
}

/** They always have something to read, … */
export const READING: FunctionLoad = { function: "bench-fanout", ...fanoutOf(READS_PER_CALL) };
/** … or compute for milliseconds at a stretch. */
export const COMPUTING: FunctionLoad = {
  function: "sieve",
  args: { below: SIEVE.below },
  keys: [],
  reads: 0,
  expected: { primes: SIEVE.primes },
};

/** What was done for them in the time. */
export interface FunctionWork {
  /** That ended. */
  readonly callsPerSecond: number;
  /** By Redis, of calls that have not ended as well. */
  readonly readsPerSecond: number;
  /** Of the time, how much Redis' lock was held for them. */
  readonly lockShare: number;
}

/** Loads the functions while `work` goes on, and tells what they came to in that time. */
export async function callWhile<Answer>(
  { redis }: PlacedStack,
  { function: name, args, keys, expected }: FunctionLoad,
  work: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly functions: FunctionWork }> {
  const clients = Array.from({ length: CALLS_IN_FLIGHT }, () => redis.client());
  const observer = redis.client();
  const state = { calls: 0, over: false };
  const countedNow = async () => {
    const info = await readInfo(observer);
    return {
      calls: state.calls,
      reads: countIn(info, "operations"),
      lockUs: countIn(info, "lock_us"),
      ms: performance.now(),
    };
  };
  const load = clients.map(async (client) => {
    while (!state.over) {
      const result = await client.call("LOCUS.CALL", name, keys.length, ...keys, JSON.stringify(args));
      if (String(result) !== JSON.stringify(expected))
        throw new Error(`${name} answered ${String(result)} instead of ${JSON.stringify(expected)}`);
      state.calls += 1;
    }
  });
  const failure = Promise.race(load);
  failure.catch(() => {}); // told by the race below
  try {
    while (state.calls < clients.length) await Promise.race([failure, sleep(1)]);
    const before = await countedNow();
    const answer = await Promise.race([work(), failure]);
    const after = await countedNow();
    const seconds = (after.ms - before.ms) / 1e3;
    const functions = {
      callsPerSecond: (after.calls - before.calls) / seconds,
      readsPerSecond: (after.reads - before.reads) / seconds,
      lockShare: (after.lockUs - before.lockUs) / 1e6 / seconds,
    };
    return { answer: answer as Answer, functions };
  } finally {
    state.over = true;
    await Promise.allSettled(load);
    for (const client of [...clients, observer]) client.disconnect();
  }
}
