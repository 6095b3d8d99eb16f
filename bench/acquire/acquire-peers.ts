// The two servers that `acquire` compares over gRPC, and their load.

import type { Peer } from "../harness/contest.ts";
import { type Layout, pin } from "../harness/cores.ts";
import { serverPeer, startLoad } from "./acquire-peer.ts";

/** Pairs under way at once, on one connection: a round of the 2020 contest's load. */
const IN_FLIGHT = 64;

interface Setting {
  readonly budgetMs: number;
  readonly layout: Layout;
  readonly resources: AsyncDisposableStack;
}

export async function acquirePeers({
  budgetMs,
  layout,
  resources,
}: Setting): Promise<{ readonly config: Readonly<Record<string, unknown>>; readonly peers: readonly Peer[] }> {
  const load = await startLoad(resources);
  const request = { inFlight: IN_FLIGHT, budgetMs };
  const peers = [
    await serverPeer("grpc-js, bare echo", "echo", load, request, resources),
    await serverPeer("scheduler over gRPC", "scheduler", load, request, resources),
  ];
  if (layout.pinned) {
    pin(load.pid, layout.cores.load);
    for (const { pid } of peers) pin(pid, layout.cores.node);
  }
  return { config: { inFlight: IN_FLIGHT, connections: 1 }, peers };
}
