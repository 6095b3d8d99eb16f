// An instance that this node holds on lease, as its book keeps it: what runs there now, what calls there take, and what is to be told of them.

import type { LeasedInstance, LeaseUse } from "#scheduler/grpc/capacity-desk.ts";
import type { BookedFunction } from "./booked-function.ts";
import { SpreadCpu } from "./spread-cpu.ts";

/** Of a mean over the last calls: each counts for an eighth. Chosen. */
const SMOOTHING = 1 / 8;

export class BookedInstance {
  readonly leased: LeasedInstance;
  readonly function: BookedFunction;
  /** Its node is this one. */
  readonly isHere: boolean;
  running = 0;
  /** When it took its last call; at first, when it was lent. */
  tookMs: number;
  /** Of what a call there takes, ms, from when it is sent until it is answered. */
  meanMs: number;
  /** Since the last beat, of calls that ended. */
  calls = 0;
  #executionMs = 0;
  /** Since the last beat a call there lacked memory. */
  lackedMemory = false;
  /** Since the last beat, of calls that came and had waited. */
  #waits = 0;
  #waitedMs = 0;
  readonly #cpu: SpreadCpu;
  /** Since the last beat: how long calls ran there, up to when there was none or the last one left; and when the first began. */
  #usedMs = 0;
  #beganMs = NaN;
  /** Since when calls run there, as far as that is not told; or none does. */
  #turnedMs: number;
  /** Beats in a row in which nothing ran there. */
  idleBeats = 0;
  /** No new call goes there; it is given back when the last has ended. */
  isRevoked = false;
  /** Aborts when it is gone: its calls come to nothing. */
  #lost: AbortController | null = null;
  #isLost = false;

  constructor(leased: LeasedInstance, of: BookedFunction, isHere: boolean, meanMs: number, nowMs: number) {
    this.leased = leased;
    this.function = of;
    this.isHere = isHere;
    this.meanMs = meanMs;
    this.tookMs = nowMs;
    this.#turnedMs = nowMs;
    this.#cpu = new SpreadCpu(nowMs);
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

  ended(nowMs: number, elapsedMs: number, cpuUs: number): void {
    this.calls++;
    this.#executionMs += elapsedMs;
    this.#cpu.add(nowMs, elapsedMs, cpuUs);
    this.meanMs += (elapsedMs - this.meanMs) * SMOOTHING;
  }

  /** A call runs there that waited so long. */
  took(nowMs: number, waitedMs: number): void {
    this.tookMs = nowMs;
    if (waitedMs > 0) {
      this.#waits++;
      this.#waitedMs += waitedMs;
    }
    if (this.running++ === 0) this.#comesToUse(nowMs);
  }

  /** The first, after none did. */
  #comesToUse(nowMs: number): void {
    this.#turnedMs = nowMs;
    if (Number.isNaN(this.#beganMs)) this.#beganMs = nowMs;
  }

  /** The last call has left. */
  comesToRest(nowMs: number): void {
    this.#usedMs += nowMs - this.#turnedMs;
    this.#turnedMs = nowMs;
  }

  get isUntold(): boolean {
    return this.calls > 0 || this.#usedMs > 0;
  }

  /** Since this was asked last, `elapsedMs` ago. */
  use(nowMs: number, elapsedMs: number): LeaseUse {
    const isUsed = this.running > 0;
    if (isUsed) this.comesToRest(nowMs);
    const use = {
      id: this.id,
      calls: this.calls,
      executionMs: this.#executionMs,
      // Sums of what two clocks say may come to more than there is.
      cpus: Math.min(this.#cpu.tell(nowMs, elapsedMs, isUsed), this.leased.cpus),
      usedMs: this.#usedMs,
      beganAgoMs: Number.isNaN(this.#beganMs) ? 0 : nowMs - this.#beganMs,
      isUsed,
      unusedForMs: nowMs - this.#turnedMs,
      waitedMs: this.#waits === 0 ? 0 : (this.#waitedMs / this.#waits) * this.function.instancesFor(this.#waits),
      lackedMemory: this.lackedMemory,
    };
    this.lackedMemory = false;
    this.calls = 0;
    this.#executionMs = 0;
    this.#waits = 0;
    this.#waitedMs = 0;
    this.#usedMs = 0;
    this.#beganMs = isUsed ? nowMs : NaN;
    return use;
  }
}
