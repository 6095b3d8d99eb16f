// Calls of one function that wait for an instance, first come first served. Anyone can leave from the middle, in O(1).

import { HeapEntry } from "../indexed-heap.ts";
import type { Alarm } from "../alarm.ts";
import type { Node } from "../node/node.ts";
import type { FunctionPool } from "./function-pool.ts";

export class Waiter<Ticket> {
  readonly ticket: Ticket;
  /** Another where its function was declared anew meanwhile. */
  pool: FunctionPool;
  readonly sinceMs: number;
  /** Where whoever asks is: a start prefers that node while it fits there. */
  readonly near: Node | null;
  /** It waits for an instance to hold, and tells of its calls itself; to the policy it is no call. */
  readonly isToLend: boolean;
  readonly deadline: HeapEntry<Alarm>;
  next: Waiter<unknown> | null = null;
  previous: Waiter<unknown> | null = null;

  constructor(ticket: Ticket, pool: FunctionPool, nowMs: number, near: Node | null, isToLend: boolean) {
    this.ticket = ticket;
    this.pool = pool;
    this.sinceMs = nowMs;
    this.near = near;
    this.isToLend = isToLend;
    this.deadline = new HeapEntry<Alarm>({ kind: "deadline", waiter: this });
  }
}

export class WaitQueue {
  #first: Waiter<unknown> | null = null;
  #last: Waiter<unknown> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Waiter<unknown> | null {
    return this.#first;
  }

  /** Where those that wait are; null among them: of somebody it is not known. A look at each. */
  near(): ReadonlySet<Node | null> {
    const nodes = new Set<Node | null>();
    for (let waiter = this.#first; waiter !== null; waiter = waiter.next) nodes.add(waiter.near);
    return nodes;
  }

  push(waiter: Waiter<unknown>): void {
    waiter.previous = this.#last;
    if (this.#last === null) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#size++;
  }

  remove(waiter: Waiter<unknown>): void {
    const { next, previous } = waiter;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    waiter.next = null;
    waiter.previous = null;
    this.#size--;
  }
}
