// The peers of `http`: a server under the load of one or more processes, its answers per second and what they cost.

import { join } from "node:path";
import { percentile } from "#compute/cli/summary.ts";
import type { Measure, Peer } from "../harness/contest.ts";
import { startPeer, type PeerProcess } from "../harness/peer-process.ts";
import { watchCpu } from "../harness/processes.ts";
import type { LoadAnswer, LoadRequest } from "./main-load.ts";

const PROGRAM = join(import.meta.dirname, "main-load.ts");

export type Load = readonly PeerProcess<LoadRequest>[];

export const startLoad = (processes: number, resources: AsyncDisposableStack): Promise<Load> =>
  Promise.all(Array.from({ length: processes }, () => startPeer<LoadRequest>(PROGRAM, [], resources)));

export interface LoadedServer {
  readonly name: string;
  readonly url: string;
  readonly processes: () => readonly number[];
}

/** `request` is what all processes of the load do together. */
export const loadedPeer = (
  load: Load,
  { name, url, processes }: LoadedServer,
  request: Omit<LoadRequest, "url">,
): Peer => {
  const share = { ...request, url, connections: request.connections / load.length };
  return {
    name,
    unit: "requests/s",
    run: async () => {
      const groups = { server: processes(), load: load.map(({ pid }) => pid) };
      const work = () => Promise.all(load.map((one) => one.ask<LoadAnswer>(share)));
      const { answer, cpuUs } = await watchCpu(groups, work);
      return measureOf(answer, cpuUs.server, cpuUs.load);
    },
  };
};

function measureOf(answers: readonly LoadAnswer[], serverCpuUs: number, loadCpuUs: number): Measure {
  const requests = answers.reduce((sum, answer) => sum + answer.requests, 0);
  const perSecond = answers.reduce((sum, answer) => sum + answer.requests / answer.seconds, 0);
  const elapsedUs = Float64Array.from(answers.flatMap((answer) => [...answer.elapsedUs])).toSorted();
  return {
    value: perSecond,
    p50Us: percentile(elapsedUs, 50) ?? Number.NaN,
    p99Us: percentile(elapsedUs, 99) ?? Number.NaN,
    details: {
      serverCpuUsPerRequest: serverCpuUs / requests,
      loadCpuUsPerRequest: loadCpuUs / requests,
      // Cores that were busy: 1 for a process that could not do more.
      serverCores: ((serverCpuUs / requests) * perSecond) / 1e6,
      loadCores: ((loadCpuUs / requests) * perSecond) / 1e6,
    },
  };
}
