// An instance that is lent to a node, so that its warm calls ask nobody. Until the lease expires it is its holder's: busy for everybody else.
// A holder gives back what it does not use, renews what it does, says what its calls did, and sends no more of them to what was revoked.

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
  /** To the policy a call has come that has not ended. */
  isUsed = false;
  /** When its holder last told of its calls; at first, when it was lent. */
  toldMs: number;
  /** Since when no call runs there, as was told; while it is not used. */
  unusedSinceMs: number;
  /** That calls ran there and that the policy has not been told of: theirs have not ended. */
  untoldMs = 0;

  constructor(holder: string, instance: Instance, nowMs: number, expiresMs: number) {
    this.holder = holder;
    this.instance = instance;
    this.toldMs = nowMs;
    this.unusedSinceMs = nowMs;
    this.expiresMs = expiresMs;
    this.expiry = new HeapEntry<Alarm>({ kind: "lease-end", lease: this });
  }
}
