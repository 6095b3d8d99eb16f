// Calls that wait for an instance: all of them, by ticket; each is in the queue of its function as well (wait-queue.ts). Bounded, and none
// waits past its deadline.

import { LocusError } from "#runtime/errors.ts";
import type { Alarm } from "../alarm.ts";
import type { Counts } from "../counts.ts";
import type { Effects } from "../effects.ts";
import type { IndexedHeap } from "../indexed-heap.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { Waiter } from "./wait-queue.ts";

interface Ports<Ticket> {
  readonly waitingMax: number;
  readonly counts: Counts;
  readonly alarms: IndexedHeap<Alarm>;
  readonly effects: Pick<Effects<Ticket>, "refused">;
}

export class WaitingCalls<Ticket> {
  readonly #waitingMax: number;
  readonly #counts: Counts;
  readonly #alarms: IndexedHeap<Alarm>;
  readonly #effects: Ports<Ticket>["effects"];
  readonly #waiters = new Map<Ticket, Waiter<Ticket>>();

  constructor({ waitingMax, counts, alarms, effects }: Ports<Ticket>) {
    this.#waitingMax = waitingMax;
    this.#counts = counts;
    this.#alarms = alarms;
    this.#effects = effects;
  }

  get isFull(): boolean {
    return this.#counts.waiting >= this.#waitingMax;
  }

  find(ticket: Ticket): Waiter<Ticket> | undefined {
    return this.#waiters.get(ticket);
  }

  /** Of one function, the one that came first. */
  first(pool: FunctionPool): Waiter<Ticket> | null {
    return pool.queue.first as Waiter<Ticket> | null;
  }

  /** False: it was refused, with OVERLOADED or DEADLINE_EXCEEDED. */
  admit(waiter: Waiter<Ticket>, deadlineMs: number, now: number): boolean {
    const { ticket, pool } = waiter;
    if (this.isFull) {
      this.turnAway(ticket, new LocusError("OVERLOADED", `${this.#waitingMax} calls wait for an instance already`));
      return false;
    }
    if (deadlineMs <= now) {
      this.turnAway(ticket, deadlinePassed(pool, 0));
      return false;
    }
    this.join(waiter, deadlineMs);
    return true;
  }

  /** Where it is not full. */
  join(waiter: Waiter<Ticket>, deadlineMs: number): void {
    waiter.pool.queue.push(waiter);
    this.#counts.waiting++;
    this.#waiters.set(waiter.ticket, waiter);
    if (deadlineMs !== Infinity) this.#alarms.set(waiter.deadline, deadlineMs);
  }

  leave(waiter: Waiter<Ticket>): void {
    waiter.pool.queue.remove(waiter);
    this.#counts.waiting--;
    this.#waiters.delete(waiter.ticket);
    this.#alarms.remove(waiter.deadline);
  }

  refuse(waiter: Waiter<Ticket>, error: LocusError): void {
    this.leave(waiter);
    this.turnAway(waiter.ticket, error);
  }

  /** It comes to nothing, while its function goes on. */
  giveUp(waiter: Waiter<Ticket>, now: number): void {
    this.leave(waiter);
    if (waiter.isToLend) return;
    waiter.pool.policy.left(now);
    waiter.pool.toldMs = now;
  }

  refuseLate(waiter: Waiter<Ticket>, now: number): void {
    this.giveUp(waiter, now);
    this.turnAway(waiter.ticket, deadlinePassed(waiter.pool, now - waiter.sinceMs));
  }

  /**
   * Those of a function that was declared anew: in the same order, as if they had come now, for all that the new one's policy knows. It hears of those that
   * wait with holders when these say so again.
   */
  move(from: FunctionPool, to: FunctionPool, now: number): void {
    for (let waiter = this.first(from); waiter !== null; waiter = this.first(from)) {
      from.queue.remove(waiter);
      waiter.pool = to;
      to.queue.push(waiter);
      if (waiter.isToLend) continue;
      from.policy.left(now);
      to.policy.arrived(now);
    }
    to.toldMs = now;
  }

  /** Of a function that goes on. */
  turnAllAway(pool: FunctionPool, error: LocusError, now: number): void {
    for (let waiter = this.first(pool); waiter !== null; waiter = this.first(pool)) {
      this.giveUp(waiter, now);
      this.turnAway(waiter.ticket, error);
    }
  }

  refuseAllOf(pool: FunctionPool, error: LocusError): void {
    for (let waiter = this.first(pool); waiter !== null; waiter = this.first(pool)) this.refuse(waiter, error);
  }

  refuseAll(error: LocusError): void {
    for (const waiter of this.#waiters.values()) this.refuse(waiter, error);
  }

  /** One that does not wait, or no more. */
  turnAway(ticket: Ticket, error: LocusError): void {
    this.#counts.refusals++;
    this.#effects.refused(ticket, error);
  }
}

const deadlinePassed = ({ config }: FunctionPool, waitedMs: number): LocusError =>
  new LocusError(
    "DEADLINE_EXCEEDED",
    `no instance of "${config.key}" was free before the call's deadline; it waited ${Math.round(waitedMs)} ms`,
  );
