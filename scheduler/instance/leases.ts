// Instances that are lent to nodes: until a lease ends its instance is busy for everybody else. One is revoked where others need the
// instance more; its holder then gives it back, or it expires.

import { LocusError } from "#runtime/errors.ts";
import type { Alarm } from "../alarm.ts";
import type { Effects } from "../effects.ts";
import type { IndexedHeap } from "../indexed-heap.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { FunctionPools } from "./function-pools.ts";
import type { Instance } from "./instance.ts";
import type { Instances } from "./instances.ts";
import { Lease } from "./lease.ts";

interface Ports {
  readonly pools: FunctionPools;
  readonly instances: Instances;
  readonly alarms: IndexedHeap<Alarm>;
  readonly effects: Pick<Effects<unknown>, "leaseEnded">;
}

export class Leases {
  readonly #ports: Ports;
  /** Revoked, and not come back yet. */
  #revoked = 0;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** INSTANCE_NOT_HELD where others use it, or a call that the policy has heard of. */
  lend(instance: Instance, holder: string, ttlMs: number, now: number): Lease {
    const { pool, state } = instance;
    const isFree = state === "idle" || (state === "busy" && instance.isToLend);
    if (!isFree || instance.lease !== null) {
      throw new LocusError("INSTANCE_NOT_HELD", `instance "${instance.id}" is used by others: it cannot be lent`);
    }
    const { instances, alarms } = this.#ports;
    if (state === "idle") {
      instances.leaveIdle(instance);
      instances.becomeBusy(instance, now);
    }
    pool.withdraw(instance);
    pool.busy--;
    pool.busySinceSumMs -= instance.busySinceMs;
    pool.leased++;
    pool.toldMs = now;
    instance.running = 1;
    instance.isToLend = false;
    const lease = new Lease(holder, instance, now, now + ttlMs);
    instance.lease = lease;
    pool.leases.add(lease);
    alarms.set(lease.expiry, lease.expiresMs);
    return lease;
  }

  /** False: it was revoked, or is over. */
  renew(lease: Lease, ttlMs: number, now: number): boolean {
    if (lease.revoked || lease.instance.lease !== lease) return false;
    lease.expiresMs = now + ttlMs;
    this.#ports.alarms.set(lease.expiry, lease.expiresMs);
    return true;
  }

  /** Its instance holds nothing any more, whatever becomes of that. Of calls that ran there still nobody tells what they come to. */
  end(lease: Lease, now: number): void {
    const { instances, alarms } = this.#ports;
    const { instance } = lease;
    const { pool } = instance;
    alarms.remove(lease.expiry);
    if (lease.revoked) this.#revoked--;
    pool.leases.delete(lease);
    pool.leased--;
    pool.busy++;
    pool.busySinceSumMs += instance.busySinceMs;
    instance.lease = null;
    instance.unusedSinceMs = lease.unusedSinceMs;
    if (lease.isUsed) {
      pool.policy.left(now);
      pool.toldMs = now;
      instance.unusedSinceMs = now;
    }
    instance.running = 0;
    instances.noLongerBusy(instance);
  }

  /** Nothing where it was before. */
  revoke(lease: Lease): void {
    if (lease.revoked) return;
    lease.revoked = true;
    this.#revoked++;
    this.#ports.effects.leaseEnded(lease, "revoked");
  }

  revokeAll(pool: FunctionPool): void {
    for (const lease of pool.leases) this.revoke(lease);
  }

  /** For those that wait what others hold comes back; what a node holds itself serves its calls as those before them end. */
  revokeForWaiting(pool: FunctionPool): void {
    if (pool.leases.size === 0) return;
    const [one = null, ...more] = pool.queue.near();
    const only = more.length === 0 ? one?.id : undefined;
    for (const lease of pool.leases) if (lease.holder !== only) this.revoke(lease);
  }

  /** Somebody finds no room, and nothing is idle: of the function that holds the most, one instance comes back when its calls have ended. One at a time. */
  callBack({ live, need: { memoryMb, cpus } }: FunctionPool): void {
    if (this.#revoked > 0) return;
    let most: FunctionPool | null = null;
    for (const pool of this.#ports.pools.all()) {
      if (pool.leased > Math.max(live, most?.leased ?? 0)) most = pool;
    }
    if (most === null) return;
    for (const lease of most.leases) {
      const { node, memoryMb: itsMb, cpus: itsCpus } = lease.instance;
      if (node.couldFit(memoryMb - itsMb, cpus - itsCpus)) return this.revoke(lease);
    }
  }
}
