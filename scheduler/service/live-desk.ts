// The desk at which nodes get instances, over the live scheduler: nodes come by their first beat and are lost when they fall silent, instances
// are containers of their NodeServices, and what earlier schedulers had started there is taken over.

import { randomBytes, randomUUID } from "node:crypto";
import { LocusError } from "#runtime/errors.ts";
import { every, type Repeated } from "#runtime/shared-timer.ts";
import { LEASES_MAX, WAITED_MAX } from "../grpc/beat-bounds.ts";
import type {
  BeatAnswer,
  CallsWaiting,
  FunctionShape,
  HostedInstance,
  LeaseAnswer,
  LeasedInstance,
  LeaseUse,
  LeaseWanted,
  NodeBeat,
  ScaledFunction,
  ServedDesk,
} from "../grpc/capacity-desk.ts";
import type { ContainerNode } from "../grpc/node-service.ts";
import type { FunctionPool } from "../instance/function-pool.ts";
import type { Instance } from "../instance/instance.ts";
import type { HolderWaits, LeaseCalls } from "../instance/lease-calls.ts";
import { LiveScheduler, type InstanceDriver, type SchedulerObserver } from "../live-scheduler.ts";
import type { NodeDescription } from "../node/node.ts";
import type { Policy } from "../policy/policy.ts";
import { CapacityLoop, type CapacityTotals } from "../reallocation/capacity-loop.ts";
import type { SavedScheduler } from "../scheduler.ts";
import { type CapacityOverview, capacityOverview } from "./capacity-overview.ts";
import { Containers } from "./containers.ts";
import { KnownFunctions } from "./known-functions.ts";
import type { RelayedThreads } from "./relayed-threads.ts";

const MIB = 2 ** 20;
/** A node that said nothing for so long is lost: five beats and a little. */
const SILENT_MS = 3_000;
const LOOK_MS = 500;
/** A look that comes so long after the one before could not come in time, and nothing could be heard either. Chosen. */
const LATE_MS = 2 * LOOK_MS;
/** Of a lease, from the last beat that named it. A node goes on so long while nobody answers. */
export const LEASE_MS = 5_000;
/** An instance is gone when its node has not named it so often in a row: the first of these beats may be older than the instance. */
const UNNAMED_MAX = 2;
/** Instances that are known to be lost: as many as a node may hold of them. */
const LOST_MAX = LEASES_MAX;
/** A lease is waited for at most so long; whoever still needs it asks again. */
const WAIT_MS = 30_000;

interface Joined {
  readonly description: NodeDescription;
  lastBeatMs: number;
  /** It has said so, and says nothing more: it lets the calls that run there end. */
  isLeaving: boolean;
  /** Instances that its last beat did not name. */
  unnamed: Map<Instance, number>;
  /** Functions of which calls wait there, as it said. */
  readonly awaiting: Set<FunctionPool>;
  /** What its last beat said that people say. One that has just come may not know of any function yet. */
  scaled: { readonly version: number; readonly text: string };
}

export interface LiveDeskOptions {
  readonly policy: Policy;
  readonly observer: SchedulerObserver;
  /** Kept by whoever gives it: many instances are on one node. */
  readonly connect: (node: NodeDescription) => Pick<ContainerNode, "createContainer" | "removeContainer">;
  readonly saved: SavedScheduler | null;
  /** What functions have to share, beside what nodes offer. */
  readonly totals: CapacityTotals;
  /** Where nodes tell what functions have beside the data; else nobody does. */
  readonly relayed?: Pick<RelayedThreads, "told">;
}

export class LiveDesk implements ServedDesk {
  readonly #live: LiveScheduler;
  readonly #containers = new Containers();
  readonly #connect: LiveDeskOptions["connect"];
  readonly #nodes = new Map<string, Joined>();
  /** What real use was told last, MiB, by instances' own nodes. */
  readonly #usedMb = new WeakMap<Instance, number>();
  /** By version. */
  readonly #functions: KnownFunctions<{ readonly pool: FunctionPool }>;
  /** By name, what people have said; its version, and as it came, to see whether it is something else now. */
  #scaled = new Map<string, ScaledFunction>();
  #scaledVersion = 0;
  #scaledText = "[]";
  /** What it has started says so: two schedulers after one another name their instances differently. */
  readonly #reign = randomBytes(6).toString("hex");
  /** Names of what it has started, or is starting. */
  readonly #names = new Map<string, Instance>();
  /** Instances that were lost with their nodes, the last of them: whoever holds one waits for nothing. */
  readonly #lost = new Set<string>();
  readonly #startedMs: number;
  /** When nodes were looked at last. */
  #lookedMs: number;
  readonly #looks: Repeated;
  readonly #capacity: CapacityLoop;
  readonly #relayed: LiveDeskOptions["relayed"];

  constructor({ policy, observer, connect, saved, totals, relayed }: LiveDeskOptions) {
    this.#connect = connect;
    this.#relayed = relayed;
    this.#live = new LiveScheduler({
      policy,
      observer,
      saved,
      driver: this.#driver(),
      nodes: {
        reserve: () => Promise.reject(new LocusError("NODES_EXHAUSTED", "nodes come by themselves")),
        release: async ({ id }) => void this.#nodes.delete(id),
      },
    });
    this.#functions = new KnownFunctions(this.#live);
    this.#startedMs = this.#live.now();
    this.#lookedMs = this.#startedMs;
    this.#looks = every(LOOK_MS, () => this.#look());
    this.#capacity = new CapacityLoop(this.#live, totals);
  }

  async beat(beat: NodeBeat): Promise<BeatAnswer> {
    const { core } = this.#live;
    const nowMs = this.#live.now();
    const joined = this.#join(beat, nowMs);
    const answer = { gone: [] as string[], revoked: [] as string[] };
    this.#lackedMemory(beat, nowMs);
    if (joined !== null) {
      joined.lastBeatMs = nowMs;
      this.#hosted(joined, beat.instances, nowMs);
      // Whatever else is there takes of what the node has: a foreign scheduler's, and what did not fit.
      const instancesMemoryMb = beat.instances.reduce((sum, one) => sum + (this.#isOurs(one) ? one.usedMb : 0), 0);
      core.nodeStats(beat.nodeId, { availableMemoryMb: beat.availableMb, instancesMemoryMb }, nowMs);
      this.#scale(joined, beat);
    }
    // Of what comes back as well: the policy is told of its calls first.
    const told = beat.leases.flatMap((use) => this.#used(beat.nodeId, use, answer, nowMs));
    core.leasesUsed(told, this.#waits(beat.nodeId, beat.waits), nowMs);
    this.takeBack(beat.nodeId, beat.returned);
    for (const id of beat.broken) this.#broken(beat.nodeId, id, nowMs);
    this.#live.wake();
    return { ...answer, isPressed: core.counts.unplaced > 0, threads: this.#relayed?.told(beat.threads) ?? null };
  }

  async lease(wanted: LeaseWanted, signal?: AbortSignal): Promise<LeaseAnswer> {
    const { core } = this.#live;
    const node = core.node(wanted.nodeId);
    const pool = this.#poolOf(wanted.shape);
    const nowMs = this.#live.now();
    const deadlineMs = nowMs + WAIT_MS;
    let { count } = wanted;
    const enough = new AbortController();
    const until = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]);
    const granted: Promise<Instance>[] = [];
    if (!wanted.isGrowth) {
      this.#expectFits(pool);
      this.#nodes.get(wanted.nodeId)?.awaiting.add(pool);
      core.callsWait(pool, wanted.nodeId, wanted.waiting, nowMs);
      const { starts, againAtMs } = core.waitOrStart(pool, count, wanted.held, nowMs);
      if (starts === 0) return { instances: [], waitMs: Math.min(againAtMs - nowMs, WAIT_MS) };
      count = starts;
      granted.push(this.#live.acquireToLend(pool, deadlineMs, until, node));
    }
    // Of an earlier request, which did not wait for all that it had started.
    const coming = Math.max(0, pool.starting - pool.waiting);
    while (granted.length + coming < count) {
      const more = this.#live.grow(pool, deadlineMs, until, node);
      if (more === null) break;
      granted.push(more);
    }
    // One that cannot be had takes nothing from the others, and nobody waits for the slowest: what starts still is free when it has.
    await Promise.any(granted).catch(() => {});
    enough.abort();
    const settled = await Promise.allSettled(granted);
    const leased = settled.flatMap((one) => (one.status === "fulfilled" ? this.#lend(one.value, wanted.nodeId) : []));
    const [failed] = settled.filter((one) => one.status === "rejected");
    if (leased.length === 0 && failed !== undefined && !wanted.isGrowth) throw failed.reason as LocusError;
    this.#live.wake();
    return { instances: leased, waitMs: null };
  }

  async overview(): Promise<CapacityOverview> {
    return this.overviewNow();
  }

  overviewNow(): CapacityOverview {
    return capacityOverview(this.#live.core, this.#live.now(), (one) => this.#containers.idOf(one));
  }

  /** What of these the node holds it holds no more. */
  takeBack(nodeId: string, ids: readonly string[]): void {
    for (const id of ids) {
      const lease = this.#containers.instanceOf(id)?.lease;
      if (lease?.holder === nodeId) this.#live.core.returnLease(lease, this.#live.now());
    }
    this.#live.wake();
  }

  save(): SavedScheduler {
    return this.#live.core.save();
  }

  /** Instances stay where they are: another scheduler takes them over. */
  close(): void {
    this.#looks.stop();
    this.#capacity.close();
    const over = new LocusError("PEER_UNAVAILABLE", "this scheduler schedules no more");
    this.#live.core.refuseAll(over, this.#live.now());
    this.#live.close();
  }

  // ── nodes ──

  /** null: it leaves, or has left. */
  #join(beat: NodeBeat, nowMs: number): Joined | null {
    const { nodeId: id, address, port, memoryMb, cpus, isLeaving } = beat;
    const { core } = this.#live;
    const known = this.#nodes.get(id);
    if (isLeaving) {
      if (known !== undefined) {
        known.isLeaving = true;
        core.drainNode(id, nowMs);
      }
      return null;
    }
    if (known !== undefined) return known;
    const description = { id, address, port, memoryMb, cpus };
    core.nodeCame(description, nowMs);
    const unnamed = new Map<Instance, number>();
    const scaled = { version: beat.scaledVersion, text: "[]" };
    const awaiting = new Set<FunctionPool>();
    const joined = { description, lastBeatMs: nowMs, isLeaving: false, unnamed, awaiting, scaled };
    this.#nodes.set(id, joined);
    return joined;
  }

  /** Adopts what it does not know, removes what was started for nobody, and forgets what is not there any more. */
  #hosted(joined: Joined, hosted: readonly HostedInstance[], nowMs: number): void {
    const { core } = this.#live;
    const nodeId = joined.description.id;
    const named = new Set<Instance>();
    for (const { id, name, shape, usedMb } of hosted) {
      const known = this.#containers.instanceOf(id);
      if (known !== undefined) {
        named.add(known);
        this.#usedMb.set(known, usedMb);
      } else if (!name.startsWith(this.#reign)) {
        // What is no version's is a foreign scheduler's.
        if (shape.key.includes("@")) this.#adopt(id, shape, nodeId, nowMs);
      } else if (!this.#names.has(name)) this.#remove(joined.description, id).catch(() => {});
    }
    const unnamed = new Map<Instance, number>();
    for (const instance of core.instances()) {
      if (instance.node.id !== nodeId || named.has(instance)) continue;
      if (this.#containers.idOf(instance) === undefined) continue;
      const times = (joined.unnamed.get(instance) ?? 0) + 1;
      if (times < UNNAMED_MAX) unnamed.set(instance, times);
      else this.#gone(instance, nowMs);
    }
    joined.unnamed = unnamed;
  }

  /** Memory is promised to it: it starts, is there, or ends. */
  #isOurs({ id, name }: HostedInstance): boolean {
    return this.#containers.instanceOf(id) !== undefined || this.#names.has(name) || this.#live.core.isAdopted(id);
  }

  #adopt(id: string, shape: FunctionShape, nodeId: string, nowMs: number): void {
    const { core } = this.#live;
    // It ends, and its node names it until the calls that run there have ended as well.
    if (core.isAdopted(id)) return;
    const pool = this.#poolOf(shape);
    const { memoryMb, cpus } = pool.need;
    // What does not fit is not ours to have: its node knows it, and nobody calls it.
    if (!core.node(nodeId).fits(memoryMb, cpus)) return;
    const instance = core.adopt(id, shape.key, nodeId, nowMs, SILENT_MS);
    this.#containers.is(instance, id);
  }

  /** Its holder was told by its node that it is not there, or ends. Where it is there all the same its node names it, and it is removed. */
  #broken(nodeId: string, id: string, nowMs: number): void {
    const instance = this.#containers.instanceOf(id);
    if (instance?.lease?.holder === nodeId) this.#gone(instance, nowMs);
  }

  #gone(instance: Instance, nowMs: number): void {
    this.#containers.forget(instance);
    this.#names.delete(this.#nameOf(instance));
    this.#live.core.instanceGone(instance, nowMs);
  }

  /** Who has fallen silent is lost: with its instances, and with what it held on others. Calls on one that leaves end by themselves. */
  #look(): void {
    const { core } = this.#live;
    const nowMs = this.#live.now();
    const lookedAgoMs = nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    if (lookedAgoMs > LATE_MS) {
      // This one was stopped, and timers are first when it goes on: what nodes have said meanwhile is still to be read. It counts as one look's silence.
      for (const node of this.#nodes.values())
        node.lastBeatMs = Math.min(nowMs, node.lastBeatMs + lookedAgoMs - LOOK_MS);
    }
    for (const [id, { lastBeatMs, isLeaving, awaiting }] of this.#nodes) {
      if (nowMs - lastBeatMs < SILENT_MS) continue;
      this.#nodes.delete(id);
      const forgotten = this.#containers.forgetNode(id);
      for (const lost of isLeaving ? [] : forgotten) this.#lost.add(lost);
      for (const lost of this.#lost) if (this.#lost.size > LOST_MAX) this.#lost.delete(lost);
      if (core.fleet.nodes.has(id))
        core.nodeLost(id, isLeaving ? "it leaves" : `it has said nothing for ${SILENT_MS} ms`, nowMs);
      core.leasesUsed([], noneWait(id, awaiting), nowMs);
      for (const [name, { state }] of this.#names) if (state === "gone") this.#names.delete(name);
      for (const instance of core.instances()) {
        if (instance.lease?.holder === id) core.returnLease(instance.lease, nowMs);
      }
    }
    this.#live.wake();
  }

  // ── leases ──

  /** First of all that a beat tells: an instance that died of it may be gone with this very beat, and the next one is to be larger. */
  #lackedMemory({ nodeId, leases }: NodeBeat, nowMs: number): void {
    for (const { id, lackedMemory } of leases) {
      const instance = lackedMemory ? this.#containers.instanceOf(id) : undefined;
      if (instance?.lease?.holder === nodeId) this.#live.core.lackedMemory(instance.pool, nowMs);
    }
  }

  /** What its calls did; none where it is not the node's to use. */
  #used(
    nodeId: string,
    { id, calls, cpus, executionMs, usedMs, beganAgoMs, isUsed, unusedForMs, waitedMs }: LeaseUse,
    answer: { readonly gone: string[]; readonly revoked: string[] },
    nowMs: number,
  ): readonly LeaseCalls[] {
    const { core } = this.#live;
    const instance = this.#containers.instanceOf(id);
    if (instance === undefined) {
      // Its node may not have been here yet, or has left and lets its calls end.
      if (this.#lost.has(id)) answer.gone.push(id);
      else if (nowMs - this.#startedMs > SILENT_MS) answer.revoked.push(id);
      return [];
    }
    if (instance.lease === null && instance.state === "idle") {
      // Lent by the scheduler before this one, or expired while nobody could be reached.
      core.lend(instance, nodeId, LEASE_MS, nowMs);
    } else if (instance.lease?.holder !== nodeId) {
      // It expired while a long call ran there, and is another's now, or ends. Its node is well: the call may end as well.
      answer.revoked.push(id);
      return [];
    } else if (!core.renewLease(instance.lease, LEASE_MS, nowMs)) answer.revoked.push(id);
    const { lease } = instance;
    if (lease === null) return [];
    if (calls > 0) {
      const memoryMb = this.#usedMb.get(instance) ?? 0;
      core.instanceUses(instance, { ...(memoryMb > 0 ? { memoryMb } : {}), cpus }, nowMs);
    }
    const unusedSinceMs = isUsed ? null : nowMs - unusedForMs;
    return [{ lease, ended: calls, executionMs, usedMs, usedSinceMs: nowMs - beganAgoMs, unusedSinceMs, waitedMs }];
  }

  /** Of what calls wait for there: of functions that it names no more none do. One that it was never asked for is not known. */
  #waits(nodeId: string, waits: readonly CallsWaiting[]): readonly HolderWaits[] {
    const awaiting = this.#nodes.get(nodeId)?.awaiting;
    if (awaiting === undefined) return [];
    const told = waits.flatMap(({ key, waiting, left, leftWaitMs }): readonly HolderWaits[] => {
      const pool = this.#functions.get(key)?.pool;
      return pool === undefined || pool.removed ? [] : [{ pool, holder: nodeId, waiting, left, leftWaitMs }];
    });
    for (const { pool } of told) awaiting.delete(pool);
    // Of a list that is full nobody knows whom it leaves out.
    const others = waits.length < WAITED_MAX ? noneWait(nodeId, awaiting) : [];
    for (const { pool } of others) awaiting.delete(pool);
    for (const { pool, waiting } of told) if (waiting > 0) awaiting.add(pool);
    return [...told, ...others];
  }

  #lend(instance: Instance, nodeId: string): readonly LeasedInstance[] {
    const { core } = this.#live;
    const nowMs = this.#live.now();
    const id = this.#containers.idOf(instance);
    // Much may have happened since it was granted.
    if (id === undefined || !this.#nodes.has(nodeId) || instance.state !== "busy") {
      if (instance.running > 0) core.release(instance, { executionMs: null }, nowMs);
      return [];
    }
    core.lend(instance, nodeId, LEASE_MS, nowMs);
    const { id: itsNode, address, port, cpus } = instance.node.description;
    return [{ id, nodeId: itsNode, address, port, cpus }];
  }

  #expectFits(pool: FunctionPool): void {
    const { memoryMb } = pool.need;
    for (const { description } of this.#live.core.fleet.nodes.values()) {
      if (description.memoryMb >= memoryMb) return;
    }
    const { key } = pool.config;
    throw new LocusError("NODES_EXHAUSTED", `an instance of "${key}" takes ${memoryMb} MiB: no node offers as much`);
  }

  // ── functions ──

  #poolOf(shape: FunctionShape): FunctionPool {
    const { key, memoryMb } = shape;
    let pool = this.#functions.get(key)?.pool;
    if (pool === undefined || pool.removed || pool.config.memoryMb !== memoryMb) {
      // Of one holder at a time: how many calls an instance takes at once is its holder's matter.
      pool = this.#declare(shape);
    }
    this.#functions.use(key, { pool });
    return pool;
  }

  #declare(shape: FunctionShape): FunctionPool {
    const [name = ""] = shape.key.split("@");
    const said = this.#scaled.get(name);
    // Of a version that is not current any more nothing is kept.
    const reservedInstances = said?.shape.key === shape.key ? said.min : 0;
    const bound = said === undefined || said.max === 0 ? {} : { instancesMax: said.max };
    return this.#live.core.declare({ ...shape, reservedInstances, ...bound }, this.#live.now());
  }

  /**
   * Nodes read one after another what people say: the newest that any of them has read holds. They hear one after another of deployments as well, which
   * versions do not count: of the same version the word holds of the node that says something else than before.
   */
  #scale(joined: Joined, { scaled, scaledVersion: version }: NodeBeat): void {
    const text = JSON.stringify(scaled);
    const isNews = text !== joined.scaled.text || version !== joined.scaled.version;
    joined.scaled = { version, text };
    if (version < this.#scaledVersion || (version === this.#scaledVersion && !isNews)) return;
    this.#scaledVersion = version;
    if (text === this.#scaledText) return;
    const before = this.#scaled;
    this.#scaledText = text;
    this.#scaled = new Map(scaled.map((one) => [one.shape.key.split("@")[0] ?? "", one]));
    this.#functions.replaceAll((key, known) => {
      const [name = ""] = key.split("@");
      if (!before.has(name) && !this.#scaled.has(name)) return known;
      const { memoryMb, expectedMb, timeoutMs } = known.pool.config;
      return { pool: this.#declare({ key, memoryMb, expectedMb, timeoutMs }) };
    });
    for (const { shape, min } of scaled) if (min > 0) this.#poolOf(shape);
  }

  // ── instances ──

  #driver(): InstanceDriver {
    return {
      start: (instance) => {
        const name = this.#nameOf(instance);
        this.#names.set(name, instance);
        const { key, memoryMb, timeoutMs } = instance.pool.config;
        const meta = { functionName: key, handler: "", timeoutMs, memoryBytes: Math.ceil(memoryMb * MIB) };
        const node = this.#connect(instance.node.description);
        const create = (signal: AbortSignal): Promise<string> =>
          node.createContainer({ requestId: name, name, meta }, signal);
        return this.#containers.start(instance, create).catch((error: unknown) => {
          this.#names.delete(name);
          throw error;
        });
      },
      stop: (instance) => {
        const remove = (id: string): Promise<void> => this.#remove(instance.node.description, id);
        // Known by its name until it has ended: else each beat that names it would have it removed again.
        return this.#containers.stop(instance, remove).finally(() => this.#names.delete(this.#nameOf(instance)));
      },
    };
  }

  #nameOf({ serial }: Instance): string {
    return `${this.#reign}-${serial}`;
  }

  #remove(node: NodeDescription, containerId: string): Promise<void> {
    return this.#connect(node).removeContainer({ requestId: randomUUID(), containerId });
  }
}

const noneWait = (holder: string, pools: Iterable<FunctionPool>): readonly HolderWaits[] =>
  Array.from(pools)
    .filter(({ removed }) => !removed)
    .map((pool) => ({ pool, holder, waiting: 0, left: 0, leftWaitMs: 0 }));
