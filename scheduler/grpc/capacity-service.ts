// locus.Capacity over a port: where nodes get instances from. A node says every half second that it is there, what it has and what it did, and
// asks for instances where those that it holds do not do. In a node of its own the controller is asked directly.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { PORT_MAX } from "#runtime/setting.ts";
import type { CapacityOverview } from "../service/capacity-overview.ts";
import { integerIn, messageIn, nameIn, numberIn, textIn } from "./field.ts";
import { unary } from "./handler.ts";

/** What a scheduler is told of a function, which it knows by version: `name@version`. */
export interface FunctionShape {
  readonly key: string;
  /** Configured. */
  readonly memoryMb: number;
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
  readonly calls: number;
  /** CPU time ÷ time. */
  readonly cpus: number;
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
  /** All that it holds: what is not named here is over when it expires. */
  readonly leases: readonly LeaseUse[];
  readonly returned: readonly string[];
  /** Of what it held, what is not there any more, as its node says. */
  readonly broken: readonly string[];
  readonly scaled: readonly ScaledFunction[];
  /** Of what people have said, as this node read it last: of all nodes the greatest holds. */
  readonly scaledVersion: number;
}

export interface BeatAnswer {
  /** No call may go there any more, and those that are there come to nothing. */
  readonly gone: readonly string[];
  /** No new call may go there; to be returned when the last has ended. */
  readonly revoked: readonly string[];
  /** Somebody finds no room: what is not used now is to be returned at once. */
  readonly isPressed: boolean;
}

export interface LeaseWanted {
  readonly nodeId: string;
  readonly shape: FunctionShape;
  readonly count: number;
  /** Only what nobody else loses anything by: perhaps none. Else it waits for at least one. */
  readonly isGrowth: boolean;
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
   * Rejects with NODE_NOT_FOUND (a beat comes first), OVERLOADED, DEADLINE_EXCEEDED, NODES_EXHAUSTED (it is too large for any node); with
   * CANCELLED where `signal` aborts: nothing is held then.
   */
  lease(wanted: LeaseWanted, signal?: AbortSignal): Promise<readonly LeasedInstance[]>;
  overview(signal?: AbortSignal): Promise<CapacityOverview>;
}

/** What stands behind the service besides: leases that nobody has got. */
export interface ServedDesk extends CapacityDesk {
  takeBack(nodeId: string, ids: readonly string[]): void;
}

/** Of leases in an answer, and of ids in a beat. A node has no more. */
const LEASES_MAX = 10_000;
const CPUS_MAX = 10_000;
const MEMORY_MB_MAX = 2 ** 30;
const TIMEOUT_MS_MAX = 7 * 24 * 3_600_000;
const COUNT_MAX = 1_000;

interface FunctionMessage {
  readonly key: string;
  readonly memory_mb: number;
  readonly timeout_ms: number;
}
interface BeatRequest {
  readonly node_id: string;
  readonly address: string;
  readonly port: number;
  readonly memory_mb: number;
  readonly cpus: number;
  readonly available_memory_mb: number;
  readonly leaves: boolean;
  readonly instances: readonly {
    readonly id: string;
    readonly name: string;
    readonly function: FunctionMessage | null;
    readonly used_memory_mb: number;
  }[];
  readonly leases: readonly LeaseUse[];
  readonly returned: readonly string[];
  readonly broken: readonly string[];
  readonly scaled: readonly { readonly function: FunctionMessage | null; readonly min: number; readonly max: number }[];
  readonly scaled_version: number;
}
export interface BeatReply {
  readonly gone: readonly string[];
  readonly revoked: readonly string[];
  readonly is_pressed: boolean;
}
interface LeaseRequest {
  readonly node_id: string;
  readonly function: FunctionMessage | null;
  readonly count: number;
  readonly grows: boolean;
}
export interface LeaseReply {
  readonly instances: readonly {
    readonly id: string;
    readonly node_id: string;
    readonly address: string;
    readonly port: number;
    readonly cpus: number;
  }[];
}
export interface OverviewReply {
  readonly overview_json: string;
}

export const capacityService = (desk: ServedDesk): UntypedServiceImplementation => ({
  Beat: unary<BeatRequest, BeatReply>(async (request, signal) => {
    const { gone, revoked, isPressed } = await desk.beat(beatIn(request), signal);
    return { gone, revoked, is_pressed: isPressed };
  }),
  Lease: unary<LeaseRequest, LeaseReply>(
    async (request, signal) => {
      const leased = await desk.lease(wantedIn(request), signal);
      return {
        instances: leased.map(({ id, nodeId, address, port, cpus }) => ({ id, node_id: nodeId, address, port, cpus })),
      };
    },
    // Nobody has them.
    ({ node_id }, { instances }) =>
      desk.takeBack(
        node_id,
        instances.map(({ id }) => id),
      ),
  ),
  Overview: unary<object, OverviewReply>(async (_request, signal) => ({
    overview_json: JSON.stringify(await desk.overview(signal)),
  })),
});

export const beatMessage = (beat: NodeBeat): BeatRequest => ({
  node_id: beat.nodeId,
  address: beat.address,
  port: beat.port,
  memory_mb: beat.memoryMb,
  cpus: beat.cpus,
  available_memory_mb: beat.availableMb,
  leaves: beat.isLeaving,
  instances: beat.instances.map(({ id, name, shape, usedMb }) => ({
    id,
    name,
    function: shapeMessage(shape),
    used_memory_mb: usedMb,
  })),
  leases: beat.leases,
  returned: beat.returned,
  broken: beat.broken,
  scaled: beat.scaled.map(({ shape, min, max }) => ({ function: shapeMessage(shape), min, max })),
  scaled_version: beat.scaledVersion,
});

export const wantedMessage = ({ nodeId, shape, count, isGrowth }: LeaseWanted): LeaseRequest => ({
  node_id: nodeId,
  function: shapeMessage(shape),
  count,
  grows: isGrowth,
});

const shapeMessage = ({ key, memoryMb, timeoutMs }: FunctionShape): FunctionMessage => ({
  key,
  memory_mb: memoryMb,
  timeout_ms: timeoutMs,
});

const beatIn = (request: BeatRequest): NodeBeat => ({
  nodeId: nameIn(request.node_id, "node_id"),
  address: nameIn(request.address, "address"),
  port: integerIn(request.port, "port", 1, PORT_MAX),
  memoryMb: numberIn(request.memory_mb, "memory_mb", 0, MEMORY_MB_MAX),
  availableMb: numberIn(request.available_memory_mb, "available_memory_mb", 0, MEMORY_MB_MAX),
  cpus: numberIn(request.cpus, "cpus", 0, CPUS_MAX),
  isLeaving: request.leaves,
  instances: manyIn(request.instances, "instances").map(({ id, name, function: shape, used_memory_mb }) => ({
    id: nameIn(id, "instance.id"),
    name: textIn(name, "instance.name"),
    shape: shapeIn(shape),
    usedMb: numberIn(used_memory_mb, "instance.used_memory_mb", 0, MEMORY_MB_MAX),
  })),
  leases: manyIn(request.leases, "leases").map(({ id, calls, cpus }) => ({
    id: nameIn(id, "lease.id"),
    calls: integerIn(calls, "lease.calls"),
    cpus: numberIn(cpus, "lease.cpus", 0, CPUS_MAX),
  })),
  returned: manyIn(request.returned, "returned").map((id) => nameIn(id, "returned")),
  broken: manyIn(request.broken, "broken").map((id) => nameIn(id, "broken")),
  scaled: manyIn(request.scaled, "scaled").map(({ function: shape, min, max }) => ({
    shape: shapeIn(shape),
    min: integerIn(min, "scaled.min", 0, COUNT_MAX),
    max: integerIn(max, "scaled.max", 0, COUNT_MAX),
  })),
  scaledVersion: integerIn(request.scaled_version, "scaled_version"),
});

const wantedIn = (request: LeaseRequest): LeaseWanted => ({
  nodeId: nameIn(request.node_id, "node_id"),
  shape: shapeIn(request.function),
  count: integerIn(request.count, "count", 1, COUNT_MAX),
  isGrowth: request.grows,
});

function shapeIn(message: FunctionMessage | null): FunctionShape {
  const { key, memory_mb, timeout_ms } = messageIn(message, "function");
  return {
    key: nameIn(key, "function.key"),
    memoryMb: numberIn(memory_mb, "function.memory_mb", Number.MIN_VALUE, MEMORY_MB_MAX),
    timeoutMs: integerIn(timeout_ms, "function.timeout_ms", 1, TIMEOUT_MS_MAX),
  };
}

/** No more than a node has. */
export const manyIn = <Item>(items: readonly Item[], field: string): readonly Item[] => {
  integerIn(items.length, `the number of ${field}`, 0, LEASES_MAX);
  return items;
};
