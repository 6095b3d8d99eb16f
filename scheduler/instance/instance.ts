// One warm place where a function runs: starting → idle ⇄ busy → draining → gone. The scheduler alone moves it from state to state.

import { HeapEntry } from "../indexed-heap.ts";
import type { Alarm } from "../alarm.ts";
import type { StopReason } from "../effects.ts";
import type { Node } from "../node/node.ts";
import type { FunctionPool, NodeShare } from "./function-pool.ts";
import type { Lease } from "./lease.ts";

export type InstanceState = "starting" | "idle" | "busy" | "draining" | "gone";

export class Instance {
  readonly id: string;
  readonly pool: FunctionPool;
  readonly share: NodeShare;
  /** What it holds of its node, as its function's need was known when it was started. */
  readonly memoryMb: number;
  readonly cpus: number;
  readonly isCpuHeavy: boolean;
  readonly createdMs: number;
  state: InstanceState = "starting";
  /** Calls that it holds; up to the function's concurrency. A leased one counts as full. */
  running = 0;
  idleSinceMs = 0;
  busySinceMs = 0;
  /** While idle. */
  expireAtMs = 0;
  lease: Lease | null = null;
  /** Whether it is in its share's list, and whether it is counted as busy: the scheduler's own notes. */
  isOffered = false;
  isCountedBusy = false;
  /** Once it drains. */
  stopReason: StopReason | null = null;
  /** Neighbours in its share's list of those that can take a call. */
  next: Instance | null = null;
  previous: Instance | null = null;
  readonly expiry: HeapEntry<Alarm>;
  /** Among the idle instances of its node, by worth. */
  readonly onNode: HeapEntry<Instance>;
  /** Among all idle instances. */
  readonly overall: HeapEntry<Instance>;

  constructor(id: string, pool: FunctionPool, share: NodeShare, nowMs: number) {
    const { memoryMb, cpus, isCpuHeavy } = pool.need;
    this.id = id;
    this.pool = pool;
    this.share = share;
    this.memoryMb = memoryMb;
    this.cpus = cpus;
    this.isCpuHeavy = isCpuHeavy;
    this.createdMs = nowMs;
    this.expiry = new HeapEntry<Alarm>({ kind: "idle-end", instance: this });
    this.onNode = new HeapEntry<Instance>(this);
    this.overall = new HeapEntry<Instance>(this);
  }

  get node(): Node {
    return this.share.node;
  }
}
