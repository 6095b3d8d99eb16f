// Functions beside Redis that always have something to read: so many calls in flight that no isolate waits for one.

import { FANOUT_WIDTH, fanoutOf } from "../access/workloads.ts";
import type { PlacedStack } from "../harness/placed-stack.ts";

/** More than there are isolates of one function, whatever the machine; each on a connection of its own. */
const CALLS_IN_FLIGHT = 8;
/** So few that calls end often, and so many that calling does not matter. */
const READS_PER_CALL = 50 * FANOUT_WIDTH;

export interface FunctionReads {
  readonly gets: number;
  readonly seconds: number;
  /** Of the time, how much Redis' lock was held for them. */
  readonly lockShare: number;
}

/** Loads the functions while `work` goes on, and tells what they came to in that time. */
export async function readWhile<Answer>(
  { redis }: PlacedStack,
  work: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly functions: FunctionReads }> {
  const { args, keys, reads, expected } = fanoutOf(READS_PER_CALL);
  const clients = Array.from({ length: CALLS_IN_FLIGHT }, () => redis.client());
  const observer = redis.client();
  const lockUs = async (): Promise<number> =>
    Number(/^locus_lock_us:(\d+)/m.exec(await observer.info("locus"))?.[1] ?? Number.NaN);
  const state = { calls: 0, over: false };
  const load = clients.map(async (client) => {
    while (!state.over) {
      const bytes = await client.call("LOCUS.CALL", "bench-fanout", keys.length, ...keys, JSON.stringify(args));
      if (Number(bytes) !== expected)
        throw new Error(`bench-fanout answered ${String(bytes)} instead of ${String(expected)}`);
      state.calls += 1;
    }
  });
  const failure = Promise.race(load);
  failure.catch(() => {}); // told by the race below
  try {
    while (state.calls < clients.length)
      await Promise.race([failure, new Promise((resolve) => setTimeout(resolve, 1))]);
    const before = { calls: state.calls, lockUs: await lockUs(), ms: performance.now() };
    const answer = await Promise.race([work(), failure]);
    const seconds = (performance.now() - before.ms) / 1e3;
    const gets = (state.calls - before.calls) * reads;
    const lockShare = ((await lockUs()) - before.lockUs) / 1e6 / seconds;
    return { answer: answer as Answer, functions: { gets, seconds, lockShare } };
  } finally {
    state.over = true;
    await Promise.allSettled(load);
    for (const client of [...clients, observer]) client.disconnect();
  }
}
