// An instance that this node holds on lease, as its book keeps it: what runs there now, and what calls there take.

import type { LeasedInstance } from "#scheduler/grpc/capacity-service.ts";
import type { BookedFunction } from "./booked-function.ts";

/** Of a mean over the last calls: each counts for an eighth. Chosen. */
const SMOOTHING = 1 / 8;

export class BookedInstance {
  readonly leased: LeasedInstance;
  readonly function: BookedFunction;
  /** Its node is this one. */
  readonly isHere: boolean;
  running = 0;
  /** Of what a call there takes, ms, from when it is sent until it is answered. */
  meanMs: number;
  /** Since the last beat. */
  calls = 0;
  cpuUs = 0;
  /** Beats in a row in which nothing ran there. */
  idleBeats = 0;
  /** No new call goes there; it is given back when the last has ended. */
  isRevoked = false;
  /** Aborts when it is gone: its calls come to nothing. */
  #lost: AbortController | null = null;
  #isLost = false;

  constructor(leased: LeasedInstance, of: BookedFunction, isHere: boolean, meanMs: number) {
    this.leased = leased;
    this.function = of;
    this.isHere = isHere;
    this.meanMs = meanMs;
  }

  get id(): string {
    return this.leased.id;
  }

  /** Made for calls that go to other nodes: there is nothing to lose of a call that is here. */
  get lost(): AbortSignal {
    this.#lost ??= new AbortController();
    if (this.#isLost) this.#lost.abort();
    return this.#lost.signal;
  }

  lose(): void {
    this.#isLost = true;
    this.#lost?.abort();
  }

  ended(elapsedMs: number, cpuUs: number): void {
    this.calls++;
    this.cpuUs += cpuUs;
    this.meanMs += (elapsedMs - this.meanMs) * SMOOTHING;
  }
}
