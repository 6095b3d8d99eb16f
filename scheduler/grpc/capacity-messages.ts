// The messages of locus.Capacity (capacity.proto), and what is made of them: what a sender may have left out or overdone is refused here.

import { PORT_MAX } from "#runtime/setting.ts";
import type { ThreadsSeen } from "../reallocation/capacity-loop.ts";
import {
  CPUS_MAX,
  DIVIDED_MAX,
  HOSTED_MAX,
  LEASES_MAX,
  RETURNED_MAX,
  SCALED_INSTANCES_MAX,
  SCALED_MAX,
  WAITED_MAX,
  WAITING_MAX,
} from "./beat-bounds.ts";
import type { BeatAnswer, FunctionShape, LeaseAnswer, LeaseWanted, NodeBeat } from "./capacity-desk.ts";
import { TIMEOUT_MS_MAX } from "../function-config.ts";
import { integerIn, messageIn, nameIn, numberIn, textIn } from "./field.ts";

const MEMORY_MB_MAX = 2 ** 30;
/** Of instances that are asked for at once. */
const WANTED_MAX = 1_000;
/** Of time that calls took together. */
const DURATION_MS_MAX = 2 ** 40;
const THREADS_MAX = 1_000_000;

interface FunctionMessage {
  readonly key: string;
  readonly memory_mb: number;
  readonly expected_memory_mb: number;
  readonly timeout_ms: number;
}
export interface BeatRequest {
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
  readonly leases: readonly LeaseUseMessage[];
  readonly returned: readonly string[];
  readonly broken: readonly string[];
  readonly scaled: readonly { readonly function: FunctionMessage | null; readonly min: number; readonly max: number }[];
  readonly scaled_version: number;
  readonly threads: ThreadsMessage | null;
  readonly waits: readonly {
    readonly function: string;
    readonly waiting: number;
    readonly left: number;
    readonly left_wait_ms: number;
  }[];
}
interface LeaseUseMessage {
  readonly id: string;
  readonly calls: number;
  readonly execution_ms: number;
  readonly cpus: number;
  readonly used_ms: number;
  readonly began_ago_ms: number;
  readonly is_used: boolean;
  readonly unused_for_ms: number;
  readonly waited_ms: number;
  readonly lacked_memory: boolean;
}
interface ThreadsMessage {
  readonly total: number;
  readonly functions: readonly {
    readonly function: string;
    readonly threads_max: number;
    readonly threads: number;
    readonly busy: number;
    readonly waiting: number;
  }[];
}
interface DivisionMessage {
  readonly functions: readonly { readonly function: string; readonly threads: number }[];
}
export interface BeatReply {
  readonly gone: readonly string[];
  readonly revoked: readonly string[];
  readonly is_pressed: boolean;
  readonly threads: DivisionMessage | null;
}
export interface LeaseRequest {
  readonly node_id: string;
  readonly function: FunctionMessage | null;
  readonly count: number;
  readonly grows: boolean;
  readonly busy: number;
  readonly busy_for_ms: number;
  readonly waiting: number;
}
export interface LeaseReply {
  readonly instances: readonly {
    readonly id: string;
    readonly node_id: string;
    readonly address: string;
    readonly port: number;
    readonly cpus: number;
  }[];
  /** 0: nothing is waited for. */
  readonly wait_ms: number;
}
export interface OverviewReply {
  readonly overview_json: string;
}

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
  leases: beat.leases.map((use) => ({
    id: use.id,
    calls: use.calls,
    execution_ms: use.executionMs,
    cpus: use.cpus,
    used_ms: use.usedMs,
    began_ago_ms: use.beganAgoMs,
    is_used: use.isUsed,
    unused_for_ms: use.unusedForMs,
    waited_ms: use.waitedMs,
    lacked_memory: use.lackedMemory,
  })),
  returned: beat.returned,
  broken: beat.broken,
  scaled: beat.scaled.map(({ shape, min, max }) => ({ function: shapeMessage(shape), min, max })),
  scaled_version: beat.scaledVersion,
  threads: beat.threads === null ? null : threadsMessage(beat.threads),
  waits: beat.waits.map(({ key, waiting, left, leftWaitMs }) => ({
    function: key,
    waiting,
    left,
    left_wait_ms: leftWaitMs,
  })),
});

const threadsMessage = ({ total, functions }: ThreadsSeen): ThreadsMessage => ({
  total,
  functions: functions.map(({ functionKey, threadsMax, threads, busy, waiting }) => ({
    function: functionKey,
    threads_max: threadsMax,
    threads,
    busy,
    waiting,
  })),
});

export const answerMessage = ({ gone, revoked, isPressed, threads }: BeatAnswer): BeatReply => ({
  gone,
  revoked,
  is_pressed: isPressed,
  threads: threads === null ? null : divisionMessage(threads),
});

const divisionMessage = (allowed: ReadonlyMap<string, number>): DivisionMessage => ({
  functions: Array.from(allowed, ([functionKey, threads]) => ({ function: functionKey, threads })),
});

/** To a beat, which named no more leases than these. */
export const answerIn = ({ gone, revoked, is_pressed: isPressed, threads }: BeatReply): BeatAnswer => ({
  gone: idsIn(gone, "gone", LEASES_MAX),
  revoked: idsIn(revoked, "revoked", LEASES_MAX),
  isPressed,
  threads: threads === null ? null : divisionIn(threads),
});

const divisionIn = ({ functions }: DivisionMessage): ReadonlyMap<string, number> =>
  new Map(
    manyIn(functions, "threads", DIVIDED_MAX).map(({ function: functionKey, threads }) => [
      nameIn(functionKey, "threads.function"),
      integerIn(threads, "threads.threads", 1, THREADS_MAX),
    ]),
  );

export const wantedMessage = ({ nodeId, shape, count, waiting, isGrowth, held }: LeaseWanted): LeaseRequest => ({
  node_id: nodeId,
  function: shapeMessage(shape),
  count,
  grows: isGrowth,
  busy: held.busy,
  busy_for_ms: held.busyForMs,
  waiting,
});

const shapeMessage = ({ key, memoryMb, expectedMb, timeoutMs }: FunctionShape): FunctionMessage => ({
  key,
  memory_mb: memoryMb,
  expected_memory_mb: expectedMb ?? 0,
  timeout_ms: timeoutMs,
});

export const beatIn = (request: BeatRequest): NodeBeat => ({
  nodeId: nameIn(request.node_id, "node_id"),
  address: nameIn(request.address, "address"),
  port: integerIn(request.port, "port", 1, PORT_MAX),
  memoryMb: numberIn(request.memory_mb, "memory_mb", 0, MEMORY_MB_MAX),
  availableMb: numberIn(request.available_memory_mb, "available_memory_mb", 0, MEMORY_MB_MAX),
  cpus: numberIn(request.cpus, "cpus", 0, CPUS_MAX),
  isLeaving: request.leaves,
  instances: manyIn(request.instances, "instances", HOSTED_MAX).map(
    ({ id, name, function: shape, used_memory_mb }) => ({
      id: nameIn(id, "instance.id"),
      name: textIn(name, "instance.name"),
      shape: shapeIn(shape),
      usedMb: numberIn(used_memory_mb, "instance.used_memory_mb", 0, MEMORY_MB_MAX),
    }),
  ),
  leases: manyIn(request.leases, "leases", LEASES_MAX).map((use) => ({
    id: nameIn(use.id, "lease.id"),
    calls: integerIn(use.calls, "lease.calls"),
    executionMs: numberIn(use.execution_ms, "lease.execution_ms", 0, DURATION_MS_MAX),
    cpus: numberIn(use.cpus, "lease.cpus", 0, CPUS_MAX),
    usedMs: numberIn(use.used_ms, "lease.used_ms", 0, DURATION_MS_MAX),
    beganAgoMs: numberIn(use.began_ago_ms, "lease.began_ago_ms", 0, DURATION_MS_MAX),
    isUsed: use.is_used,
    unusedForMs: numberIn(use.unused_for_ms, "lease.unused_for_ms", 0, DURATION_MS_MAX),
    waitedMs: numberIn(use.waited_ms, "lease.waited_ms", 0, DURATION_MS_MAX),
    lackedMemory: use.lacked_memory,
  })),
  returned: idsIn(request.returned, "returned", RETURNED_MAX),
  broken: idsIn(request.broken, "broken", RETURNED_MAX),
  scaled: manyIn(request.scaled, "scaled", SCALED_MAX).map(({ function: shape, min, max }) => ({
    shape: shapeIn(shape),
    min: integerIn(min, "scaled.min", 0, SCALED_INSTANCES_MAX),
    max: integerIn(max, "scaled.max", 0, SCALED_INSTANCES_MAX),
  })),
  scaledVersion: integerIn(request.scaled_version, "scaled_version"),
  threads: request.threads === null ? null : threadsIn(request.threads),
  waits: manyIn(request.waits, "waits", WAITED_MAX).map((one) => ({
    key: nameIn(one.function, "waits.function"),
    waiting: integerIn(one.waiting, "waits.waiting", 0, WAITING_MAX),
    left: integerIn(one.left, "waits.left"),
    leftWaitMs: numberIn(one.left_wait_ms, "waits.left_wait_ms", 0, DURATION_MS_MAX),
  })),
});

const threadsIn = ({ total, functions }: ThreadsMessage): ThreadsSeen => ({
  total: integerIn(total, "threads.total", 1, THREADS_MAX),
  functions: manyIn(functions, "threads", DIVIDED_MAX).map((use) => ({
    functionKey: nameIn(use.function, "threads.function"),
    threadsMax: integerIn(use.threads_max, "threads.threads_max", 1, THREADS_MAX),
    threads: integerIn(use.threads, "threads.threads", 0, THREADS_MAX),
    busy: integerIn(use.busy, "threads.busy", 0, THREADS_MAX),
    waiting: integerIn(use.waiting, "threads.waiting", 0, THREADS_MAX),
  })),
});

export const leaseAnswerMessage = ({ instances, waitMs }: LeaseAnswer): LeaseReply => ({
  instances: instances.map(({ id, nodeId, address, port, cpus }) => ({ id, node_id: nodeId, address, port, cpus })),
  wait_ms: waitMs ?? 0,
});

export const leaseAnswerIn = ({ instances, wait_ms: waitMs }: LeaseReply): LeaseAnswer => ({
  instances: manyIn(instances, "instances", WANTED_MAX).map(({ id, node_id, address, port, cpus }) => ({
    id: nameIn(id, "id"),
    nodeId: nameIn(node_id, "node_id"),
    address: nameIn(address, "address"),
    port: integerIn(port, "port", 1, PORT_MAX),
    cpus: numberIn(cpus, "cpus", 0, CPUS_MAX),
  })),
  waitMs: waitMs === 0 ? null : numberIn(waitMs, "wait_ms", 0, DURATION_MS_MAX),
});

export const wantedIn = (request: LeaseRequest): LeaseWanted => ({
  nodeId: nameIn(request.node_id, "node_id"),
  shape: shapeIn(request.function),
  count: integerIn(request.count, "count", 1, WANTED_MAX),
  waiting: integerIn(request.waiting, "waiting", 0, WAITING_MAX),
  isGrowth: request.grows,
  held: {
    busy: integerIn(request.busy, "busy", 0, LEASES_MAX),
    busyForMs: numberIn(request.busy_for_ms, "busy_for_ms", 0, DURATION_MS_MAX),
  },
});

function shapeIn(message: FunctionMessage | null): FunctionShape {
  const { key, memory_mb, expected_memory_mb, timeout_ms } = messageIn(message, "function");
  const memoryMb = numberIn(memory_mb, "function.memory_mb", Number.MIN_VALUE, MEMORY_MB_MAX);
  return {
    key: nameIn(key, "function.key"),
    memoryMb,
    ...(expected_memory_mb > 0 && {
      expectedMb: numberIn(expected_memory_mb, "function.expected_memory_mb", 0, memoryMb),
    }),
    timeoutMs: integerIn(timeout_ms, "function.timeout_ms", 1, TIMEOUT_MS_MAX),
  };
}

const manyIn = <Item>(items: readonly Item[], field: string, most: number): readonly Item[] => {
  integerIn(items.length, `the number of ${field}`, 0, most);
  return items;
};

const idsIn = (ids: readonly string[], field: string, most: number): readonly string[] =>
  manyIn(ids, field, most).map((id) => nameIn(id, field));
