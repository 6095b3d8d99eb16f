// Room for starts that have found none: more nodes where there may be more, else the least worth of the idle instances end, else a lease is
// called back.

import type { IdleByWorth } from "../instance/idle-by-worth.ts";
import type { FunctionPool } from "../instance/function-pool.ts";
import type { Instance } from "../instance/instance.ts";
import type { Instances } from "../instance/instances.ts";
import type { Leases } from "../instance/leases.ts";
import type { StarvedPools } from "../instance/starved-pools.ts";
import type { Node } from "./node.ts";
import type { NodeSupply } from "./node-supply.ts";

interface Ports {
  readonly warmMemoryMb: number;
  readonly supply: NodeSupply;
  readonly instances: Instances;
  readonly idle: IdleByWorth;
  readonly leases: Leases;
}

export class Room {
  readonly #ports: Ports;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** After a start: where all instances hold more memory than may be warm, idle ones end. */
  keepWithinWarmMemory(now: number): void {
    const { warmMemoryMb, instances, idle } = this.#ports;
    while (instances.liveMb > warmMemoryMb) {
      const least = idle.least();
      if (least === undefined) return;
      this.#evict(least, now);
    }
  }

  /**
   * For those that want a node and have none. The node that has room for the first of them as it is, where one is come upon: the fleet's look is bounded,
   * and passes some by. Nothing ends then.
   */
  makeFor(starved: StarvedPools, now: number): Node | null {
    if (this.#ports.supply.reserve(starved, now)) return null;
    const { first } = starved;
    return first === null ? null : this.#clearFor(first, now);
  }

  /** Ends idle instances on the node where that makes room for one start, the least worth first. */
  #clearFor(pool: FunctionPool, now: number): Node | null {
    const { idle, leases } = this.#ports;
    const { memoryMb, cpus } = pool.need;
    const node = idle.nodeToClear(memoryMb, cpus);
    if (node === null) {
      leases.callBack(pool);
      return null;
    }
    if (node.fits(memoryMb, cpus)) return node;
    while (!node.willFit(memoryMb, cpus)) {
      const least = idle.leastOn(node);
      if (least === undefined) return null;
      this.#evict(least, now);
    }
    return null;
  }

  #evict(instance: Instance, now: number): void {
    const { pool, worth } = instance;
    pool.policy.evicted(worth, pool);
    this.#ports.instances.stop(instance, "makes room", now);
  }
}
