// How long a function's next start waits after starts that failed and instances that died: nothing after the first death in a while, since any
// instance may die once, else longer each time, until something goes well.

/** After the first failed start, and after the second death; twice as long after each more in a row. Chosen. */
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 30_000;
/** A death so long after the last one, and after the pause that it brought, is the first again. Chosen: as long as the longest pause. */
const FORGOTTEN_MS = PAUSE_MS_MAX;

export class CoolDown {
  readonly #failures = new Row();
  readonly #deaths = new Row();
  #untilMs = -Infinity;

  /** A start that was made at `createdMs` failed. Until when the next one waits; no later than now: it does not. */
  failed(createdMs: number, now: number): number {
    if (this.#failures.grows(createdMs, now)) this.#pause(this.#failures.length, now);
    return this.#untilMs;
  }

  /** Starts that have failed since one came to an instance. */
  get failuresInRow(): number {
    return this.#failures.length;
  }

  /** As `failed`, of an instance that was started and died, or is not fit for another call. */
  died(createdMs: number, now: number): number {
    if (now - Math.max(this.#deaths.lastMs, this.#untilMs) > FORGOTTEN_MS) this.#deaths.end();
    if (this.#deaths.grows(createdMs, now)) this.#pause(this.#deaths.length - 1, now);
    return this.#untilMs;
  }

  /** A start has come to an instance, which may still die of its first call. */
  started(): void {
    this.#failures.end();
  }

  /** Whoever waited for the start that has failed is told why, and asks again or not: the next one that fails is the first again. */
  answered(): void {
    this.#failures.end();
  }

  /** A call has left its instance fit for another. */
  endedWell(): void {
    this.#deaths.end();
  }

  #pause(times: number, now: number): void {
    if (times === 0) return;
    this.#untilMs = Math.max(this.#untilMs, now + Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (times - 1)));
  }
}

/** Mishaps without a success between them. */
class Row {
  length = 0;
  lastMs = -Infinity;

  /** Not by what was there when the last one was counted: what kills one of a function's instances often kills all. */
  grows(createdMs: number, now: number): boolean {
    if (createdMs < this.lastMs) return false;
    this.length++;
    this.lastMs = now;
    return true;
  }

  end(): void {
    this.length = 0;
  }
}
