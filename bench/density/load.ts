// A closed loop of calls over HTTP on a stack: calls/s, latency, and the CPU time of each process.

import { join } from "node:path";
import { percentile } from "#compute/cli/summary.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { Measure } from "../harness/contest.ts";
import { startPeer, type PeerProcess } from "../harness/peer-process.ts";
import { watchCpu } from "../harness/processes.ts";
import type { LoadAnswer, LoadRequest } from "./main-load.ts";
import { KEY, type FilledStack } from "./stacks.ts";

export const IN_FLIGHT = 16;
const PROGRAM = join(import.meta.dirname, "main-load.ts");
/** A bound that no pass over all functions reaches. */
const PASS_MS = 600_000;

export type Load = PeerProcess<LoadRequest>;

export const startLoad = (resources: AsyncDisposableStack): Promise<Load> => startPeer(PROGRAM, [], resources);

/** The value is calls/s. */
export async function loaded(
  load: Load,
  stack: FilledStack,
  asked: Pick<LoadRequest, "side" | "order" | "budgetMs">,
): Promise<Required<Measure>> {
  const groups = { ...stack.processes(), load: [load.pid] };
  const { url, functions } = stack;
  const request = { url, functions, inFlight: IN_FLIGHT, key: KEY, ...asked };
  const { answer, cpuUs } = await watchCpu(groups, () => load.ask<LoadAnswer>(request));
  const { seconds, elapsedUs, atStorage } = answer;
  const calls = elapsedUs.length;
  const sorted = elapsedUs.toSorted();
  return {
    value: calls / seconds,
    p50Us: percentile(sorted, 50) ?? Number.NaN,
    p99Us: percentile(sorted, 99) ?? Number.NaN,
    details: {
      storageShare: atStorage / calls,
      redisCpuUsPerCall: cpuUs.redis / calls,
      storageHostCpuUsPerCall: cpuUs.storageHost / calls,
      nodeCpuUsPerCall: cpuUs.node / calls,
      computeHostCpuUsPerCall: cpuUs.computeHost / calls,
      loadCpuUsPerCall: cpuUs.load / calls,
    },
  };
}

/** Calls each function once. */
export const calledOnce = (load: Load, stack: FilledStack, side: Side | null): Promise<Required<Measure>> =>
  loaded(load, stack, { side, order: "once", budgetMs: PASS_MS });
