// Instances lent to a node in bulk, so that its warm calls ask nobody. Until the lease expires they are their holder's: busy for everybody
// else. A holder gives back what it does not use, renews what it does, and stops using what was revoked.

import { HeapEntry } from "../indexed-heap.ts";
import type { Alarm } from "../alarm.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { Instance } from "./instance.ts";

export class Lease {
  readonly id: string;
  /** Whoever uses it: the id of a node, as a rule. */
  readonly holder: string;
  readonly pool: FunctionPool;
  readonly instances: Set<Instance>;
  readonly expiry: HeapEntry<Alarm>;
  expiresMs: number;
  revoked = false;

  constructor(id: string, holder: string, pool: FunctionPool, instances: readonly Instance[], expiresMs: number) {
    this.id = id;
    this.holder = holder;
    this.pool = pool;
    this.instances = new Set(instances);
    this.expiresMs = expiresMs;
    this.expiry = new HeapEntry<Alarm>({ kind: "lease-end", lease: this });
  }
}
