// The peers of `acquire` that are nodes: calls of an empty function over HTTP, where a scheduler gives them instances and where nobody does.

import type { Peer } from "../harness/contest.ts";
import type { Layout } from "../harness/cores.ts";
import { startPlacedStack } from "../harness/placed-stack.ts";
import { loadedPeer, startLoad } from "../http/load-peer.ts";

/** As in `http`. */
const CONNECTIONS = 64;
const PATH = "/v1/functions/empty/invocations?side=compute";

export const SCHEDULED = "a call over HTTP, instances on lease";
export const UNSCHEDULED = "a call over HTTP, no scheduler";

interface Setting {
  readonly budgetMs: number;
  readonly layout: Layout;
  readonly resources: AsyncDisposableStack;
}

/** Each node has a Redis of its own: nodes of one Redis are one cluster. */
export async function computePathPeers({ budgetMs, layout, resources }: Setting): Promise<readonly Peer[]> {
  const load = await startLoad(layout.pinned ? 2 : 1, resources);
  const peers: Peer[] = [];
  for (const [name, scheduler] of [
    [SCHEDULED, "auto"],
    [UNSCHEDULED, "off"],
  ] as const) {
    const settings = { LOCUS_SCHEDULER: scheduler };
    const stack = await startPlacedStack(["functions/empty.ts"], layout, resources, { settings });
    const processes = (): readonly number[] => [...stack.processes().node, ...stack.processes().computeHost];
    await checkScheduling(stack.url, scheduler === "auto");
    const server = { name, url: stack.url + PATH, processes };
    peers.push(loadedPeer(load, server, { connections: CONNECTIONS, pipelining: 1, budgetMs }));
  }
  return peers;
}

/** Until its calls have instances, or sure that they have none. Rejects where that does not come. */
async function checkScheduling(url: string, isScheduled: boolean): Promise<void> {
  const untilMs = performance.now() + 10_000;
  for (;;) {
    await fetch(url + PATH, { method: "POST" });
    const text = await (await fetch(`${url}/metrics`)).text();
    const taken = Number(/^locus_instance_leases_taken_total (\d+)$/m.exec(text)?.[1] ?? 0);
    if (isScheduled === taken > 0) return;
    if (performance.now() > untilMs) throw new Error(`${url}: ${taken} calls had an instance`);
  }
}
