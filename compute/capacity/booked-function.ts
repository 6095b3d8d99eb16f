// One version of a function in a node's book: the instances that the node holds of it, and the calls that wait for one.

import type { FunctionDescription } from "#runtime/function/description.ts";
import type { FunctionShape, LeaseWanted } from "#scheduler/grpc/capacity-desk.ts";
import type { BookedInstance } from "./booked-instance.ts";

/** Calls count by so much less with each that follows: the last hundred or so. Chosen. */
const DECAY = 1 - 1 / 64;

/** MiB that an isolate is expected to hold until its use is known. The host charges what it really holds. */
const ISOLATE_MB = 4;

/** As the scheduler knows it. */
export const shapeOf = ({ name, version, limits }: FunctionDescription, isIsolate: boolean): FunctionShape => ({
  key: `${name}@${version}`,
  memoryMb: limits.memoryMb,
  ...(isIsolate && { expectedMb: Math.min(ISOLATE_MB, limits.memoryMb) }),
  timeoutMs: limits.deadlineMs,
});

export interface Waiter {
  readonly sinceMs: number;
  /** null: it runs here, without an instance. */
  readonly resolve: (instance: BookedInstance | null) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The scheduler has said that waiting for the instances that are here costs less than a start: for so many calls, and for so many instances. Or nothing can be
 * asked for now, however many they are: Infinity.
 */
interface Pause {
  readonly count: number;
  readonly busy: number;
  /** Rings when it is over. */
  readonly timer: NodeJS.Timeout;
}

export class BookedFunction {
  readonly name: string;
  readonly shape: FunctionShape;
  /** Calls that an instance takes at once. */
  readonly concurrency: number;
  readonly instances: BookedInstance[] = [];
  /** In the order in which they came. */
  readonly waiters = new Set<Waiter>();
  /** Since the last beat, of calls that waited and got no instance. */
  left = 0;
  leftMs = 0;
  /** Calls have waited in vain since one came to an instance: a start takes longer than they wait. */
  isMissed = false;
  inFlight = 0;
  /** Cores that the instances can keep busy: one each, and no more on a node than it has. */
  threads = 0;
  /** What is asked of the scheduler now; null: nothing. */
  asked: AbortController | null = null;
  pause: Pause | null = null;
  /** Not sooner is asked again whoever has said that waiting is better, while there is something to wait for. */
  askAtMs = -Infinity;
  /** What is asked for besides, so that calls need not wait. */
  growing: AbortController | null = null;
  growAtMs = -Infinity;
  /** Beats in a row in which there was nothing of it. */
  emptyBeats = 0;
  #cpuMs = 0;
  #elapsedMs = 0;
  #calls = 0;

  constructor(description: FunctionDescription, isIsolate: boolean) {
    this.name = description.name;
    this.shape = shapeOf(description, isIsolate);
    this.concurrency = description.limits.concurrency;
  }

  /** Of a call's time the part in which it computes, as its node sees it: calls in flight times this is cores in use. */
  get cpuShare(): number {
    return this.#elapsedMs === 0 ? 0 : this.#cpuMs / this.#elapsedMs;
  }

  get meanMs(): number {
    return this.#calls === 0 ? 1 : this.#elapsedMs / this.#calls;
  }

  /** So many calls, in instances that they fill. */
  instancesFor(calls: number): number {
    return Math.ceil(calls / this.concurrency);
  }

  /** On which calls run: all, where some wait. */
  held(nowMs: number): LeaseWanted["held"] {
    let busy = 0;
    let sumMs = 0;
    for (const { running, tookMs } of this.instances) {
      if (running === 0) continue;
      busy++;
      sumMs += Math.max(0, nowMs - tookMs);
    }
    return { busy, busyForMs: busy === 0 ? 0 : sumMs / busy };
  }

  ended(elapsedMs: number, cpuUs: number): void {
    this.#calls = this.#calls * DECAY + 1;
    this.#elapsedMs = this.#elapsedMs * DECAY + elapsedMs;
    this.#cpuMs = this.#cpuMs * DECAY + cpuUs / 1e3;
  }

  add(instance: BookedInstance): void {
    this.instances.push(instance);
    this.#countThreads();
  }

  remove(instance: BookedInstance): void {
    const at = this.instances.indexOf(instance);
    if (at < 0) return;
    this.instances.splice(at, 1);
    this.#countThreads();
  }

  /**
   * Where a call is expected to be done first: the fewest calls that run there times what one takes there; here where that is the same. null:
   * nowhere is one free. A look at each: there are as many as keep a node's calls busy. `onlyHere`: of those on this node alone.
   */
  best(onlyHere = false): BookedInstance | null {
    let best: BookedInstance | null = null;
    let least = Infinity;
    for (const instance of this.instances) {
      if (instance.isRevoked || instance.running >= this.concurrency || (onlyHere && !instance.isHere)) continue;
      const cost = (instance.running + 1) * instance.meanMs;
      if (cost < least || (cost === least && instance.isHere && best?.isHere === false)) {
        best = instance;
        least = cost;
      }
    }
    return best;
  }

  #countThreads(): void {
    const byNode = new Map<string, number>();
    for (const { leased, isRevoked } of this.instances) {
      const { nodeId, cpus } = leased;
      if (!isRevoked) byNode.set(nodeId, Math.min(cpus, (byNode.get(nodeId) ?? 0) + 1));
    }
    this.threads = byNode.values().reduce((sum, cores) => sum + cores, 0);
  }
}
