// Timeouts for what nearly always ends at once: adding and deleting are a few assignments, where a timer of its own, or
// a place in a Map, took 2 µs of the 10 that a call cost the gateway (measured: Node 26). The time is kept to a few per cent.

/** Looks per timeout: how exactly it is kept. */
const LOOKS = 20;

/** Something that waits; from `add`, for `delete`. */
export interface Waiting {
  readonly expire: () => void;
  /** When it was added, in looks. */
  readonly added: number;
  before: Waiting | null;
  after: Waiting | null;
}

export class Overdue {
  readonly #timeoutMs: number;
  /** A list in the order of arrival, which is the order of expiry. */
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looks = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Calls `expire` when the timeout is over, unless it is deleted before. */
  add(expire: () => void): Waiting {
    const waiting: Waiting = { expire, added: this.#looks, before: this.#last, after: null };
    if (this.#last === null) this.#first = waiting;
    else this.#last.after = waiting;
    this.#last = waiting;
    // It runs only while something waits at one of its looks: an idle gateway wakes for nothing.
    this.#timer ??= setInterval(() => this.#look(), this.#timeoutMs / LOOKS).unref();
    return waiting;
  }

  /** Once, and not after it expired. */
  delete({ before, after }: Waiting): void {
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
  }

  #look(): void {
    this.#looks += 1;
    while (this.#first !== null && this.#looks - this.#first.added > LOOKS) {
      const { expire } = this.#first;
      this.delete(this.#first);
      expire();
    }
    if (this.#first !== null || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
