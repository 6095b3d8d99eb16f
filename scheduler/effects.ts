// What the scheduler asks of the world: the port behind which live code starts instances and reserves nodes, and the simulator counts what
// that would have come to. None may call the scheduler back before it returns; what comes of a command is told by an event later
// (`instanceStarted`, `nodeReserved`, …).

import type { LocusError } from "#runtime/errors.ts";
import type { Instance } from "./instance/instance.ts";
import type { Lease } from "./instance/lease.ts";
import type { Node } from "./node/node.ts";

export interface Effects<Ticket> {
  /** The ticket's call may run on the instance, until `release`. */
  granted(ticket: Ticket, instance: Instance): void;
  refused(ticket: Ticket, error: LocusError): void;
  /** On `instance.node`. Answered by `instanceStarted` or `instanceFailed`. */
  startInstance(instance: Instance, why: StartReason, rule: PlacementRule): void;
  /** Answered by `instanceGone`; what it holds of its node is held until then. */
  stopInstance(instance: Instance, reason: StopReason): void;
  /** Answered by `nodeReserved` or `nodeRefused`. */
  reserveNode(): void;
  /** It has no instance any more. */
  releaseNode(node: Node, reason: string): void;
  /** Revoked: its holder shall give it back, and may not use it after it expires. Expired: it is over. */
  leaseEnded(lease: Lease, why: "revoked" | "expired"): void;
  /** It did not start, died, or is not to be used; the function's next start waits so long, 0: not at all. */
  instanceFailed(instance: Instance, why: string, retryInMs: number): void;
  nodeNoted(nodeId: string, what: NodeEvent, why: string): void;
}

export type NodeEvent = "reserved" | "refused" | "lost" | "draining";

export type StopReason =
  | "idle for long"
  | "makes room"
  | "unhealthy"
  | "node drains"
  | "function is gone"
  | "not wanted"
  | "outgrew its node"
  | "asked for";

/**
 * What chose an instance's node. `near`: whoever asked is there. `most free CPU`: of the nodes with room it has that. `best fit`: the least
 * of memory and CPU, taken together, stays free there. `fewest heavy`: the instance is heavy on the CPU, and its kind has the least of the CPUs there, or hardly
 * more where whoever asked is.
 * `passed by`: there is room, which was come upon where room was to be made: of nodes nearly alike a few are looked at.
 */
export type PlacementRule = "near" | "most free CPU" | "best fit" | "fewest heavy" | "passed by";

/** `load`: what a function has is busy. `outgrown`: one is moved to a node with more room. */
export type StartReason = "miss" | "prewarm" | "reserved" | "load" | "outgrown";
