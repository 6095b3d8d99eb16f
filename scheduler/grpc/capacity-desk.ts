// Where nodes get instances from, whoever and wherever that is: what a node says every half second, what it asks for, and what it is answered.
// `live-desk.ts` is the desk itself, `capacity-client.ts` one elsewhere; over the wire it is `locus.Capacity`.

import type { HeldInstances } from "../instance/serving.ts";
import type { ThreadsSeen } from "../reallocation/capacity-loop.ts";
import type { CapacityOverview } from "../service/capacity-overview.ts";

/** What a scheduler is told of a function, which it knows by version: `name@version`. */
export interface FunctionShape {
  readonly key: string;
  /** Configured. */
  readonly memoryMb: number;
  /** What an instance needs until its use is known; `memoryMb` at most, and unless said otherwise. */
  readonly expectedMb?: number;
  readonly timeoutMs: number;
}

/** An instance that a node has, whoever had it started. */
export interface HostedInstance {
  readonly id: string;
  /** As whoever had it started named it. */
  readonly name: string;
  readonly shape: FunctionShape;
  /** 0: not known. */
  readonly usedMb: number;
}

/** What a leased instance did since the last beat. */
export interface LeaseUse {
  readonly id: string;
  /** That ended, and how long they ran, together. */
  readonly calls: number;
  readonly executionMs: number;
  /**
   * CPU time ÷ time, of the calls that ended, while they ran: as much as they used in the busiest of the beats in which they did. No more than its node
   * has.
   */
  readonly cpus: number;
  /** How long calls ran there, one or more; and how long ago the first of them began, or the time did of which this tells. */
  readonly usedMs: number;
  readonly beganAgoMs: number;
  /** How long calls that came there had waited for it, together; as many as run there at once count as one. */
  readonly waitedMs: number;
  /** Calls run there now; else none does for so long. */
  readonly isUsed: boolean;
  readonly unusedForMs: number;
  /** A call, one of those that ended or more, came to MEMORY_LIMIT: what was learned of its function's need may be too little. */
  readonly lackedMemory: boolean;
}

/**
 * Calls of a function that found no instance, in instances that they fill: those that run on one at once count as one. That they waited is said of those
 * that came to run on a lease with that.
 */
export interface CallsWaiting {
  /** As in its shape. */
  readonly key: string;
  readonly waiting: number;
  /** That have left without one since the last beat: they were cancelled or refused, or ran otherwise; and how long they had waited, on the mean. */
  readonly left: number;
  readonly leftWaitMs: number;
}

/** A function of which people have said how many instances it has, in the version that is current. */
export interface ScaledFunction {
  readonly shape: FunctionShape;
  readonly min: number;
  /** 0: as many as there is room for. */
  readonly max: number;
}

export interface NodeBeat {
  readonly nodeId: string;
  readonly address: string;
  readonly port: number;
  /** That it offers to instances, and of that what is free as the machine sees it. */
  readonly memoryMb: number;
  readonly availableMb: number;
  readonly cpus: number;
  /** It takes no new instances, and no beat follows. */
  readonly isLeaving: boolean;
  readonly instances: readonly HostedInstance[];
  /** All that it holds: what is not named here is over when it expires. Of what it gives back, too, what is not told yet. */
  readonly leases: readonly LeaseUse[];
  readonly waits: readonly CallsWaiting[];
  readonly returned: readonly string[];
  /** Of what it held, what is not there any more, as its node says. */
  readonly broken: readonly string[];
  readonly scaled: readonly ScaledFunction[];
  /** Of what people have said, as this node read it last: of all nodes the greatest holds. */
  readonly scaledVersion: number;
  /** What functions have beside the data, of the node that divides it as it is told; null: it is another, or the scheduler's own. */
  readonly threads: ThreadsSeen | null;
}

export interface BeatAnswer {
  /** No call may go there any more, and those that are there come to nothing. */
  readonly gone: readonly string[];
  /** No new call may go there; to be returned when the last has ended. */
  readonly revoked: readonly string[];
  /** Somebody finds no room: what is not used now is to be returned at once. */
  readonly isPressed: boolean;
  /** How many threads beside the data each of these functions may have; null: whoever was asked divides none. */
  readonly threads: ReadonlyMap<string, number> | null;
}

export interface LeaseWanted {
  readonly nodeId: string;
  readonly shape: FunctionShape;
  readonly count: number;
  /** Calls that wait, as a beat says it: perhaps more than are asked for at once. */
  readonly waiting: number;
  /** Only what nobody else loses anything by: perhaps none. Else it waits for at least one, or is told to wait for one of its own. */
  readonly isGrowth: boolean;
  /** That the node holds and calls run on: where calls wait, all that it holds, and what they wait for beside. */
  readonly held: HeldInstances;
}

export interface LeaseAnswer {
  readonly instances: readonly LeasedInstance[];
  /** Waiting for one that the node holds costs less than a start, for so long, ms: then it is to ask again. null: nothing of that kind. */
  readonly waitMs: number | null;
}

export interface LeasedInstance {
  readonly id: string;
  readonly nodeId: string;
  readonly address: string;
  readonly port: number;
  /** Of its node. */
  readonly cpus: number;
}

/** All reject with PEER_UNAVAILABLE where there is no scheduler. */
export interface CapacityDesk {
  beat(beat: NodeBeat, signal?: AbortSignal): Promise<BeatAnswer>;
  /**
   * Rejects with NODE_NOT_FOUND (a beat comes first), OVERLOADED, DEADLINE_EXCEEDED, NODES_EXHAUSTED (it is too large for any node), REQUEST_INVALID (no
   * instance can have what it asks for), FUNCTION_NOT_FOUND, VERSION_NOT_FOUND; with CANCELLED where `signal` aborts: nothing is held then.
   */
  lease(wanted: LeaseWanted, signal?: AbortSignal): Promise<LeaseAnswer>;
  overview(signal?: AbortSignal): Promise<CapacityOverview>;
}

/** What stands behind the service besides: leases that nobody has got. */
export interface ServedDesk extends CapacityDesk {
  takeBack(nodeId: string, ids: readonly string[]): void;
}
