// What the scheduler wants to be woken for. Alarms lie in one heap by time; its smallest is `nextWakeMs`.

import type { FunctionPool } from "./instance/function-pool.ts";
import type { Instance } from "./instance/instance.ts";
import type { Lease } from "./instance/lease.ts";
import type { Waiter } from "./instance/wait-queue.ts";
import type { Node } from "./node/node.ts";

/** A policy that wants to be asked at once is asked so much later: time goes on. */
export const WAKE_MS_MIN = 1;

export type Alarm =
  /** May be early: an instance that was used meanwhile is looked at again when its new time comes. */
  | { readonly kind: "idle-end"; readonly instance: Instance }
  | { readonly kind: "deadline"; readonly waiter: Waiter<unknown> }
  /** Calls were left to wait for a busy instance: was that right? */
  | { readonly kind: "reconsider"; readonly pool: FunctionPool }
  | { readonly kind: "plan"; readonly pool: FunctionPool }
  /** After failed starts, or deaths in a row. */
  | { readonly kind: "cooled"; readonly pool: FunctionPool }
  | { readonly kind: "node-idle"; readonly node: Node }
  | { readonly kind: "lease-end"; readonly lease: Lease }
  /** A node was refused; ask again. */
  | { readonly kind: "refill" };
