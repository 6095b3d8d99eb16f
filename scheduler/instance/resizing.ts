// What an instance is promised of its node follows what it uses. One that its node has no room for any more is replaced where there is some.

import type { FunctionPool } from "./function-pool.ts";
import type { Instance } from "./instance.ts";
import type { Instances } from "./instances.ts";
import type { Leases } from "./leases.ts";
import type { Starts } from "./starts.ts";

/** Of an instance, since it was last told. */
export interface InstanceUse {
  /** undefined: not known. */
  readonly memoryMb?: number;
  /** CPU time ÷ time. */
  readonly cpus?: number;
}

/** Of a node's CPUs so much is not promised to what is there already: a small function that comes later finds room. Chosen. */
const CPUS_LEFT = 1 / 4;
/** What an instance does not use any more is taken back by so much at each look. Chosen. */
const CPU_RELEASE = 1 / 2;

interface Ports {
  readonly instances: Instances;
  readonly starts: Starts;
  readonly leases: Leases;
}

export class Resizing {
  readonly #ports: Ports;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** As seen while it runs: what it used lately. It counts as an execution where calls have ended there that were not told of. */
  follow(instance: Instance, use: InstanceUse, now: number): void {
    const { instances, starts } = this.#ports;
    const { pool, node, state } = instance;
    const { memoryMb = 0 } = use;
    // No instance uses more than its node has, whatever was told.
    const cpus = Math.min(use.cpus ?? 0, node.description.cpus);
    pool.need.seen(memoryMb, cpus);
    if (memoryMb > 0 && instance.isMemoryUntold) {
      instance.isMemoryUntold = false;
      pool.need.executed(memoryMb, undefined);
    }
    if (use.cpus !== undefined && instance.isCpuUntold) {
      instance.isCpuUntold = false;
      pool.need.executed(undefined, cpus);
    }
    if (state !== "busy" && state !== "idle") return;
    const wantedMb = Math.max(pool.need.memoryMb, memoryMb);
    const wantedCpus = Math.max(pool.need.cpus, cpus);
    // A node without a bound has enough for whoever comes.
    const keptCpus = node.freeCpus === Infinity ? 0 : node.description.cpus * CPUS_LEFT;
    const cpusLeft = Math.max(0, node.freeCpus - keptCpus);
    const nextCpus =
      wantedCpus < instance.cpus
        ? instance.cpus - (instance.cpus - wantedCpus) * CPU_RELEASE
        : Math.min(wantedCpus, instance.cpus + cpusLeft);
    instances.resize(instance, Math.min(wantedMb, instance.memoryMb + node.freeMb), nextCpus);
    const isShort = wantedMb > instance.memoryMb || wantedCpus > instance.cpus + node.freeCpus;
    if (isShort) this.#moveElsewhere(instance, wantedMb, wantedCpus, now);
    if (starts.areWaiting) starts.feed(now);
  }

  /** One that was started before its function's need was known gives back what it does not need, and is heavy on the CPU where that is known by now. */
  shrink(instance: Instance): void {
    const { memoryMb, cpus } = instance.pool.need;
    if (instance.state !== "busy") return;
    this.#ports.instances.resize(instance, Math.min(memoryMb, instance.memoryMb), Math.min(cpus, instance.cpus));
  }

  /** The one that takes another's place is there: the other goes when its calls have ended. */
  replace(pool: FunctionPool, now: number): void {
    const { instances, leases } = this.#ports;
    const { replaced } = pool;
    pool.replaced = null;
    pool.replacement = null;
    if (replaced === null) return;
    if (replaced.lease !== null) leases.revoke(replaced.lease);
    instances.stop(replaced, "outgrew its node", now);
  }

  #moveElsewhere(instance: Instance, memoryMb: number, cpus: number, now: number): void {
    const { instances, starts } = this.#ports;
    const { pool, node } = instance;
    if (pool.replaced !== null || pool.removed || pool.isCooling || starts.areWaiting) return;
    const place = starts.spread(pool, { memoryMb, cpus }, null, (other) => other !== node);
    if (place === null) return;
    const replacement = starts.startAt(place, pool, "outgrown", now);
    pool.replaced = instance;
    pool.replacement = replacement;
    instances.resize(replacement, Math.max(replacement.memoryMb, memoryMb), Math.max(replacement.cpus, cpus));
  }
}
