// All that the scheduler holds of one function: its instances by node, the calls that wait, what was learned of its need, and the policy's
// own state of it. Lists and counts only; what is done with them is decided elsewhere.

import { HeapEntry, IndexedHeap } from "../indexed-heap.ts";
import type { Alarm } from "../alarm.ts";
import type { FunctionConfig } from "../function-config.ts";
import type { Node } from "../node/node.ts";
import type { FunctionPolicy, PoolView } from "../policy/policy.ts";
import { CoolDown } from "./cool-down.ts";
import type { Instance } from "./instance.ts";
import type { Lease } from "./lease.ts";
import { LearnedNeed } from "./learned-need.ts";
import { WaitQueue } from "./wait-queue.ts";

/** A function's instances on one node, and in a list those that can take a call, the most recently used first. */
export class NodeShare {
  readonly node: Node;
  readonly entry: HeapEntry<NodeShare>;
  instances = 0;
  #first: Instance | null = null;

  constructor(node: Node) {
    this.node = node;
    this.entry = new HeapEntry<NodeShare>(this);
  }

  get first(): Instance | null {
    return this.#first;
  }

  push(instance: Instance): void {
    const first = this.#first;
    instance.previous = null;
    instance.next = first;
    if (first !== null) first.previous = instance;
    this.#first = instance;
  }

  remove(instance: Instance): void {
    const { next, previous } = instance;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
    instance.next = null;
    instance.previous = null;
  }
}

export class FunctionPool implements PoolView {
  config: FunctionConfig;
  /** Of the configuration; here since each call asks. */
  reservedInstances = 0;
  /** Instances at once that it may have now: from those reserved, at least one, to what is configured. */
  instancesMax = 0;
  /** More were wanted while it was bounded; whoever divides sets it back. */
  isHeldBack = false;
  readonly policy: FunctionPolicy;
  /** The policy is told of nothing that was before this: of calls on leases it is told later than they happened. */
  toldMs = -Infinity;
  readonly need: LearnedNeed;
  readonly queue = new WaitQueue();
  readonly #shares = new Map<Node, NodeShare>();
  /**
   * Shares that have a free instance, by the rank of their node: those of late nodes are used last, so that these can be drained. One that has
   * none any more stays until it is found on top: most have one again by then, with a call's end.
   */
  readonly #free = new IndexedHeap<NodeShare>();
  /** On top of them, so that most calls look at no entry; null: to be looked up. */
  #top: NodeShare | null = null;
  readonly planAlarm: HeapEntry<Alarm>;
  readonly reconsiderAlarm: HeapEntry<Alarm>;
  readonly cooledAlarm: HeapEntry<Alarm>;
  busy = 0;
  idle = 0;
  starting = 0;
  /** Starts that are wanted and have no node yet. */
  unplaced = 0;
  /** Of those that are lent to nodes. They are none of `busy`: what the policy waits for are calls, and a lease is no call. */
  leased = 0;
  /** Instances that are draining are beside this. */
  live = 0;
  /** Of those that are starting, and of those that are busy: sums of the times since when. */
  startingSinceSumMs = 0;
  busySinceSumMs = 0;
  warm = 0;
  warmUntilMs = 0;
  /** When it was called last, or declared. */
  calledMs: number;
  readonly coolDown = new CoolDown();
  removed = false;
  readonly leases = new Set<Lease>();
  /** By holder, calls that wait there and of which the policy has heard that they came. */
  readonly awaited = new Map<string, number>();
  /** An instance that has outgrown its node, and the one that takes its place elsewhere. One pair at a time. */
  replaced: Instance | null = null;
  replacement: Instance | null = null;

  constructor(config: FunctionConfig, policy: FunctionPolicy, nowMs: number) {
    this.config = config;
    this.calledMs = nowMs;
    this.configure(config);
    this.policy = policy;
    this.need = new LearnedNeed(config);
    this.planAlarm = new HeapEntry<Alarm>({ kind: "plan", pool: this });
    this.reconsiderAlarm = new HeapEntry<Alarm>({ kind: "reconsider", pool: this });
    this.cooledAlarm = new HeapEntry<Alarm>({ kind: "cooled", pool: this });
  }

  configure(config: FunctionConfig): void {
    this.config = config;
    this.reservedInstances = config.reservedInstances;
    this.instancesMax = config.instancesMax;
  }

  /** Those that can take a call, in no order. */
  *offered(): Iterable<Instance> {
    for (const share of this.#shares.values()) {
      for (let instance = share.first; instance !== null; instance = instance.next) yield instance;
    }
  }

  /** An execution ended, as somebody says: it is not taken to have run longer than it may. */
  ended(executionMs: number, now: number): void {
    this.policy.ended(Math.min(executionMs, this.config.timeoutMs), now);
  }

  get waiting(): number {
    return this.queue.size;
  }

  /** Instances beyond what it may have. While one takes another's place both are there. */
  get surplus(): number {
    return Math.max(0, this.live - (this.replacement === null ? 0 : 1) - this.instancesMax);
  }

  /** It has all that it may have, which is less than what is configured. */
  get isBounded(): boolean {
    return this.live >= this.instancesMax && this.instancesMax < this.config.instancesMax;
  }

  /** Instances that are to be kept whether anybody calls or not, and are not there. */
  get lackingReserved(): number {
    return this.reservedInstances - this.live - this.unplaced;
  }

  /** Instances that the policy wants warm until `warmUntilMs`, and that are not even coming. */
  get lackingWarm(): number {
    const coming = this.idle + Math.max(0, this.starting + this.unplaced - this.queue.size);
    return Math.min(this.warm - coming, this.instancesMax - this.live - this.unplaced);
  }

  /** Starts that are to be made now without a call that waits for them. */
  lackingAhead(now: number): number {
    if (this.removed || this.isCooling) return 0;
    return Math.max(0, this.lackingReserved, now < this.warmUntilMs ? this.lackingWarm : 0);
  }

  get startingSinceMs(): number {
    return this.startingSinceSumMs / this.starting;
  }

  get busySinceMs(): number {
    return this.busySinceSumMs / this.busy;
  }

  share(node: Node): NodeShare {
    let share = this.#shares.get(node);
    if (share === undefined) {
      share = new NodeShare(node);
      this.#shares.set(node, share);
    }
    return share;
  }

  /** After failed starts, or deaths in a row: none is made until the alarm rings. */
  get isCooling(): boolean {
    return this.cooledAlarm.index >= 0;
  }

  /** How many there are on a node, those that drain included. */
  instancesOn(node: Node): number {
    return this.#shares.get(node)?.instances ?? 0;
  }

  /** As `firstFree`, of one node. */
  freeOn(node: Node): Instance | null {
    return this.#shares.get(node)?.first ?? null;
  }

  /** As `firstFree`, of the node that has the most CPU to spare. A look at each node that has an instance of it. */
  freeWhereCpuIs(): Instance | null {
    let best: NodeShare | null = null;
    for (const share of this.#shares.values()) {
      if (share.first !== null && share.node.freeCpus > (best?.node.freeCpus ?? -1)) best = share;
    }
    return best?.first ?? null;
  }

  /** An instance that can take a call, or null; it stays in its list. */
  get firstFree(): Instance | null {
    if (this.#top !== null && this.#top.first !== null) return this.#top.first;
    let top = this.#free.peek();
    for (; top !== undefined && top.owner.first === null; top = this.#free.peek()) this.#free.remove(top);
    this.#top = top?.owner ?? null;
    return this.#top?.first ?? null;
  }

  /** Nothing where it is offered already. */
  offer(instance: Instance): void {
    if (instance.isOffered) return;
    instance.isOffered = true;
    const { share } = instance;
    share.push(instance);
    if (share === this.#top || share.entry.index >= 0) return;
    this.#free.set(share.entry, share.node.rank);
    this.#top = this.#free.peek()!.owner;
  }

  withdraw(instance: Instance): void {
    if (!instance.isOffered) return;
    instance.isOffered = false;
    instance.share.remove(instance);
  }

  /** It does not exist any more. */
  leaves(instance: Instance): void {
    const { share } = instance;
    share.instances--;
    if (share.instances === 0) {
      this.#shares.delete(share.node);
      this.#free.remove(share.entry);
      if (share === this.#top) this.#top = null;
    }
    if (this.replaced !== instance && this.replacement !== instance) return;
    this.replaced = null;
    this.replacement = null;
  }
}
