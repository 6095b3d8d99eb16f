// The peers of `acquire` that are servers: each under the same load, in pairs of calls per second.

import { join } from "node:path";
import { percentile } from "#compute/cli/summary.ts";
import type { Peer } from "../harness/contest.ts";
import { startPeer, type PeerProcess } from "../harness/peer-process.ts";
import { watchCpu } from "../harness/processes.ts";
import type { LoadAnswer, LoadRequest } from "./main-load.ts";

export type Load = PeerProcess<LoadRequest>;

const programOf = (name: string): string => join(import.meta.dirname, `main-${name}.ts`);

export const startLoad = (resources: AsyncDisposableStack): Promise<Load> =>
  startPeer(programOf("load"), [], resources);

/** `program`: "scheduler" or "echo". */
export async function serverPeer(
  name: string,
  program: string,
  load: Load,
  request: Omit<LoadRequest, "endpoint">,
  resources: AsyncDisposableStack,
): Promise<Peer & { readonly pid: number }> {
  const server = await startPeer<object>(programOf(program), [], resources);
  const endpoint = await server.ask<string>({});
  return {
    name,
    unit: "pairs/s",
    pid: server.pid,
    run: async () => {
      const groups = { server: [server.pid], load: [load.pid] };
      const { answer, cpuUs } = await watchCpu(groups, () => load.ask<LoadAnswer>({ ...request, endpoint }));
      const elapsedUs = answer.elapsedUs.toSorted();
      return {
        value: elapsedUs.length / answer.seconds,
        p50Us: percentile(elapsedUs, 50) ?? Number.NaN,
        p99Us: percentile(elapsedUs, 99) ?? Number.NaN,
        details: {
          serverCpuUsPerPair: cpuUs.server / elapsedUs.length,
          loadCpuUsPerPair: cpuUs.load / elapsedUs.length,
        },
      };
    },
  };
}
