// The peers of `khop`: each way of walking in a process of its own, checked against the others and timed.

import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import type { Summary } from "#compute/cli/summary.ts";
import type { Workload } from "#compute/cli/workload.ts";
import type { Peer } from "../harness/contest.ts";
import { startPeer, type PeerProcess } from "../harness/peer-process.ts";
import type { PlacedStack } from "../harness/placed-stack.ts";
import { watchCpu } from "../harness/processes.ts";
import type { CallerRequest } from "./main-caller.ts";
import type { Way } from "./ways.ts";

const PROGRAM = join(import.meta.dirname, "main-caller.ts");

export interface Caller {
  readonly name: string;
  readonly process: PeerProcess<CallerRequest>;
  readonly request: Omit<CallerRequest, "wanted">;
}

export const startCallers = (
  ways: Readonly<Record<string, Way>>,
  { redis, url }: PlacedStack,
  workload: Workload,
  resources: AsyncDisposableStack,
): Promise<readonly Caller[]> =>
  Promise.all(
    Object.entries(ways).map(async ([name, way]) => ({
      name,
      process: await startPeer<CallerRequest>(PROGRAM, [], resources),
      request: { way, doors: { redisPort: redis.port, nodeUrl: url }, workload },
    })),
  );

/** Rejects with the first walk that two ways disagree on: ways that do different work cannot be compared. */
export async function checkAgreement(callers: readonly Caller[]): Promise<void> {
  const all: { readonly name: string; readonly results: readonly unknown[] }[] = [];
  for (const { name, process, request } of callers) {
    all.push({ name, results: await process.ask<readonly unknown[]>({ ...request, wanted: "results" }) });
  }
  const [expected, ...others] = all;
  for (const { name, results } of others) {
    for (const [index, result] of (expected?.results ?? []).entries()) {
      if (isDeepStrictEqual(result, results[index])) continue;
      const [one, other] = [JSON.stringify(result), JSON.stringify(results[index])];
      throw new Error(`the walk from node ${index + 1} gives ${one} by ${expected?.name}, and ${other} by ${name}`);
    }
  }
}

export const peerOf = ({ name, process, request }: Caller, stack: PlacedStack): Peer => ({
  name,
  unit: "calls/s",
  run: async () => {
    const groups = { caller: [process.pid], ...stack.processes() };
    const work = () => process.ask<Summary>({ ...request, wanted: "summary" });
    const { answer, cpuUs } = await watchCpu(groups, work);
    const { calls, callsPerSecond, p50Us, p99Us, operationsPerCall } = answer;
    return {
      value: callsPerSecond,
      p50Us: p50Us ?? Number.NaN,
      p99Us: p99Us ?? Number.NaN,
      details: {
        // Where whoever calls is told.
        ...(operationsPerCall === null ? {} : { operationsPerCall }),
        callerCpuUsPerCall: cpuUs.caller / calls,
        nodeCpuUsPerCall: cpuUs.node / calls,
        computeHostCpuUsPerCall: cpuUs.computeHost / calls,
        redisCpuUsPerCall: cpuUs.redis / calls,
        storageHostCpuUsPerCall: cpuUs.storageHost / calls,
      },
    };
  },
});
