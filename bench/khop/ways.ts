// The ways of walking the graph that `khop` compares: `redisclient`'s own code, `batch`'s own code, and LOCUS.CALL from an
// ordinary Redis client. Each can be timed, and asked for its results.

import type { Redis } from "ioredis";
import { GROUP_LENGTH, runBatch } from "#compute/cli/batch.ts";
import { NodeClient } from "#compute/cli/node-client.ts";
import { runRedisClient } from "#compute/cli/redisclient.ts";
import { CallTally } from "#compute/cli/summary.ts";
import { callOf, type Workload } from "#compute/cli/workload.ts";
import { openBrittleConnection } from "#compute/node/redis-connection.ts";
import type { FunctionDefinition } from "#runtime/function/define.ts";
import type { Side } from "#runtime/profile/sample.ts";
import khop from "#functions/khop.ts";

export type Way =
  | { readonly kind: "redisclient"; readonly pipelined: boolean }
  /** Where locus places it, unless there is a side. */
  | { readonly kind: "batch"; readonly side: Side | null; readonly inFlight: number }
  | { readonly kind: "LOCUS.CALL"; readonly inFlight: number };

export interface Walker {
  /** Makes all calls of the workload, one repeat. */
  time(workload: Workload): Promise<CallTally>;
  /** The same calls; the n-th result belongs to node n + 1. */
  results(workload: Workload): Promise<readonly unknown[]>;
}

export interface Doors {
  readonly redisPort: number;
  readonly nodeUrl: string;
}

export const openWalker = async (way: Way, { redisPort, nodeUrl }: Doors): Promise<Walker> => {
  if (way.kind === "batch")
    return batchWalker(new NodeClient({ url: nodeUrl, from: "the stack" }, NEVER), way.side, way.inFlight);
  const connect = (autoPipelining: boolean): Promise<Redis> =>
    openBrittleConnection(
      { host: "127.0.0.1", port: redisPort, path: null, tls: false, database: 0 },
      { username: null, password: null },
      "bench",
      autoPipelining,
    );
  if (way.kind === "redisclient") return redisClientWalker(await connect(way.pipelined), way.pipelined);
  return locusCallWalker(await Promise.all(Array.from({ length: way.inFlight }, () => connect(false))));
};

const NEVER = new AbortController().signal;
const nothing = (): void => {};

const redisClientWalker = (client: Redis, pipelined: boolean): Walker => {
  const definition = khop as unknown as FunctionDefinition;
  const run = (walk: FunctionDefinition, workload: Workload) =>
    runRedisClient(client, walk, workload, pipelined, nothing, NEVER);
  return {
    time: (workload) => run(definition, workload),
    async results(workload) {
      const results: unknown[] = [];
      await run(
        {
          ...definition,
          async run(invocation) {
            const place = Number(invocation.keys[0]) - 1;
            results[place] = await definition.run(invocation);
          },
        },
        workload,
      );
      return results;
    },
  };
};

const batchWalker = (node: NodeClient, side: Side | null, inFlight: number): Walker => ({
  time: (workload) => runBatch(node, workload, { side, concurrency: inFlight }, nothing, NEVER),
  async results(workload) {
    const results: unknown[] = [];
    const wishes = { side, inFlight, logs: false, deadlineMs: null };
    for (let done = 0; done < workload.count; done += GROUP_LENGTH) {
      const length = Math.min(GROUP_LENGTH, workload.count - done);
      const calls = Array.from({ length }, (_, index) => callOf(workload, done + index + 1));
      for await (const { result, error } of node.batch(workload.function, calls, wishes)) results.push(error ?? result);
    }
    return results;
  },
});

/** A connection for each call in flight: a blocked client's next commands wait behind it. */
const locusCallWalker = (clients: readonly Redis[]): Walker => {
  const run = async (workload: Workload, onResult: (node: number, result: unknown) => void): Promise<CallTally> => {
    const tally = new CallTally(true);
    const startedMs = performance.now();
    let next = 1;
    const worker = async (client: Redis): Promise<void> => {
      while (next <= workload.count) {
        const node = next++;
        const { args, keys } = callOf(workload, node);
        const callStartedMs = performance.now();
        const reply = await client.call("LOCUS.CALL", workload.function, keys.length, ...keys, JSON.stringify(args));
        onResult(node, JSON.parse(reply as string));
        const elapsedUs = (performance.now() - callStartedMs) * 1e3;
        tally.add({ elapsedUs, error: null, side: "storage", operations: null, rounds: null });
      }
    };
    await Promise.all(clients.map(worker));
    tally.endRepeat((performance.now() - startedMs) / 1e3);
    return tally;
  };
  return {
    time: (workload) => run(workload, nothing),
    async results(workload) {
      const results: unknown[] = [];
      await run(workload, (node, result) => (results[node - 1] = result));
      return results;
    },
  };
};
