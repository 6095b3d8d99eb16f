// An instance that is lent to a node, so that its warm calls ask nobody. Until the lease expires it is its holder's: busy for everybody else.
// A holder gives back what it does not use, renews what it does, and sends no more calls to what was revoked.

import { HeapEntry } from "../indexed-heap.ts";
import type { Alarm } from "../alarm.ts";
import type { Instance } from "./instance.ts";

export class Lease {
  /** Whoever uses it: the id of a node, as a rule. */
  readonly holder: string;
  readonly instance: Instance;
  readonly expiry: HeapEntry<Alarm>;
  expiresMs: number;
  revoked = false;

  constructor(holder: string, instance: Instance, expiresMs: number) {
    this.holder = holder;
    this.instance = instance;
    this.expiresMs = expiresMs;
    this.expiry = new HeapEntry<Alarm>({ kind: "lease-end", lease: this });
  }
}
