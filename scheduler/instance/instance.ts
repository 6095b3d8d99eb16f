// One warm place where a function runs: starting → idle ⇄ busy → draining → gone. `Instances` alone moves it from state to state.

import { HeapEntry, type IndexedHeap } from "../indexed-heap.ts";
import type { Alarm } from "../alarm.ts";
import type { StopReason } from "../effects.ts";
import type { Node } from "../node/node.ts";
import type { FunctionPool, NodeShare } from "./function-pool.ts";
import type { Lease } from "./lease.ts";

export type InstanceState = "starting" | "idle" | "busy" | "draining" | "gone";

/** What their ids begin with, those apart that were adopted. */
export const INSTANCE_PREFIX = "i";

export class Instance {
  /** Its number among all that this scheduler has started or adopted. */
  readonly serial: number;
  readonly #name: string | null;
  readonly pool: FunctionPool;
  readonly share: NodeShare;
  /** What it holds of its node, as its function's need was known when it was started, or less since. */
  memoryMb: number;
  cpus: number;
  /** Whether its node counts it among those heavy on the CPU: as its function was when it was started, or when it was last told what it used. */
  isCpuHeavy: boolean;
  readonly createdMs: number;
  state: InstanceState = "starting";
  /** Calls that it holds. A lease counts as one, whatever its holder runs there. */
  running: 0 | 1 = 0;
  /** It was granted to be lent, and that call is none: the policy hears of those there from whoever then holds it. */
  isToLend = false;
  idleSinceMs = 0;
  busySinceMs = 0;
  /** When a call ended there last, as far as calls are told of one by one. */
  endedMs = -Infinity;
  /** While idle. */
  expireAtMs = 0;
  /** Of one that was adopted: it stays so long at least, since somebody may hold it who has not said so yet. */
  keepUntilMs = 0;
  /** Whether calls have ended there of which nobody has told yet what memory, or CPU, they used. */
  isMemoryUntold = false;
  isCpuUntold = false;
  lease: Lease | null = null;
  /** Of one that comes back from a lease: since when no call runs there, as its holder said. */
  unusedSinceMs: number | null = null;
  /** While idle: what the policy holds it to be worth, and whether it may be ended to make room. */
  worth = 0;
  isEvictable = false;
  /** The greater of its keys in the two orders of idle instances; Infinity where it is not in both. */
  rankedWorth = Infinity;
  /** When its alarm rings, early perhaps; Infinity where none is set. */
  alarmAtMs = Infinity;
  /** Whether it is in its share's list, and whether it is counted as busy: the scheduler's own notes. */
  isOffered = false;
  isCountedBusy = false;
  /** It was told before that calls ran here: those have left it alive, if it is told again. */
  wasUsed = false;
  /** Once it drains. */
  stopReason: StopReason | null = null;
  /** Neighbours in its share's list of those that can take a call. */
  next: Instance | null = null;
  previous: Instance | null = null;
  /** Made when they are needed: many instances end before. */
  #expiry: HeapEntry<Alarm> | null = null;
  #onNode: HeapEntry<Instance> | null = null;
  #overall: HeapEntry<Instance> | null = null;

  /** `name`: of one that had one before. */
  constructor(serial: number, name: string | null, pool: FunctionPool, share: NodeShare, nowMs: number) {
    const { memoryMb, cpus, isCpuHeavy } = pool.need;
    this.serial = serial;
    this.#name = name;
    this.pool = pool;
    this.share = share;
    this.memoryMb = memoryMb;
    this.cpus = cpus;
    this.isCpuHeavy = isCpuHeavy;
    this.createdMs = nowMs;
  }

  get id(): string {
    return this.#name ?? `${INSTANCE_PREFIX}${this.serial}`;
  }

  /** Whether what it used since then tells of calls: one has ended, or some ran all the time. One that has just begun has used nothing yet. */
  ranSince(atMs: number): boolean {
    return this.endedMs >= atMs || (this.running > 0 && this.busySinceMs <= atMs);
  }

  get expiry(): HeapEntry<Alarm> {
    return (this.#expiry ??= new HeapEntry<Alarm>({ kind: "idle-end", instance: this }));
  }

  get hasExpiry(): boolean {
    return this.#expiry !== null && this.#expiry.index >= 0;
  }

  /** Among the idle instances of its node, by worth. */
  get onNode(): HeapEntry<Instance> {
    return (this.#onNode ??= new HeapEntry<Instance>(this));
  }

  /** Among all idle instances. */
  get overall(): HeapEntry<Instance> {
    return (this.#overall ??= new HeapEntry<Instance>(this));
  }

  /** Out of both orders by worth. */
  unrank(overall: IndexedHeap<Instance>): void {
    if (this.#overall !== null) overall.remove(this.#overall);
    if (this.#onNode !== null) this.node.idle.remove(this.#onNode);
  }

  get node(): Node {
    return this.share.node;
  }
}
