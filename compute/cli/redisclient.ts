// The work of `redisclient`: the same function in plain Node with a plain Redis client, the baseline for `batch`. One
// call at a time and one command at a time; or pipelined, the best that an expert would write.

import type { Redis } from "ioredis";

import type { FunctionDefinition, Invocation, Log } from "#runtime/function/define.ts";
import { serialRedis } from "./serial-redis.ts";
import { CallTally, type CallRecord } from "./summary.ts";
import { callOf, type Workload } from "./workload.ts";

/** Calls in flight when pipelined; the number of the benchmark `khop`. */
export const PIPELINED_IN_FLIGHT = 16;

/** Runs to the end, or until `signal`: what was done by then is in the tally. `client` is connected. */
export const runRedisClient = async (
  client: Redis,
  definition: FunctionDefinition,
  workload: Workload,
  pipelined: boolean,
  onCall: (tally: CallTally) => void,
  signal: AbortSignal,
): Promise<CallTally> => {
  const tally = new CallTally(false);
  const serial = serialRedis(client);
  const redis = (pipelined ? client : serial.redis) as unknown as Invocation["redis"];
  const { stream } = client;
  const bytesBefore = stream.bytesRead + stream.bytesWritten;
  const call = async (node: number): Promise<void> => {
    const { args, keys } = callOf(workload, node);
    const startedMs = performance.now();
    const commandsBefore = serial.commands();
    const error = await errorOf(client, () => definition.run({ redis, args, keys, log: LOG }));
    // One call and one command at a time, each command is a round. Pipelined, calls share them.
    const commands = pipelined ? null : serial.commands() - commandsBefore;
    const elapsedUs = (performance.now() - startedMs) * 1e3;
    tally.add({ elapsedUs, error, side: null, operations: commands, rounds: commands });
    onCall(tally);
  };
  for (let repeat = 0; repeat < workload.repeats && !signal.aborted; repeat += 1) {
    const startedMs = performance.now();
    let next = 1;
    const worker = async (): Promise<void> => {
      while (next <= workload.count && !signal.aborted) await call(next++);
    };
    await Promise.all(Array.from({ length: pipelined ? PIPELINED_IN_FLIGHT : 1 }, worker));
    tally.endRepeat((performance.now() - startedMs) / 1e3);
  }
  tally.addBytes(stream.bytesRead + stream.bytesWritten - bytesBefore);
  return tally;
};

/** Once the connection is lost it stays so, and whatever fails then fails of it. */
const errorOf = async (client: Redis, run: () => unknown): Promise<CallRecord["error"]> => {
  try {
    await run();
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { code: client.status === "ready" ? "FUNCTION_FAILED" : "REDIS_UNAVAILABLE", message };
  }
};

/** On stderr, as console's (main-redisclient.ts); a level is said as `locus call --logs` says it. */
const LOG: Log = {
  debug: (...values) => console.debug("debug:", ...values),
  info: (...values) => console.info(...values),
  warn: (...values) => console.warn("warn:", ...values),
  error: (...values) => console.error("error:", ...values),
};
