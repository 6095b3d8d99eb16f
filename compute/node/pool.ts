// A bounded pool of things that take time to open and may break (the storage side's connections). Whoever finds none
// idle waits in order of arrival; the line is bounded, and nobody waits past a deadline or a cancel.

import { LocusError } from "#runtime/errors.ts";

export interface PoolOptions<Item> {
  readonly open: () => Promise<Item>;
  readonly close: (item: Item) => void;
  /** Items at once, at most. */
  readonly sizeMax: number;
  /** Waiting for an item, at most; one more is refused with OVERLOADED. */
  readonly queueLengthMax: number;
}

interface Waiter<Item> {
  readonly resolve: (item: Item) => void;
  readonly reject: (error: unknown) => void;
}

export class Pool<Item> {
  readonly #options: PoolOptions<Item>;
  readonly #items = new Set<Item>();
  /** The one used last is used next, so that the pool stays as small as the load lets it. */
  readonly #idle: Item[] = [];
  /** A Set keeps the order of arrival and forgets from its middle in constant time. */
  readonly #waiting = new Set<Waiter<Item>>();
  #opening = 0;
  #closed = false;

  constructor(options: PoolOptions<Item>) {
    this.#options = options;
  }

  get queueLength(): number {
    return this.#waiting.size;
  }

  get size(): number {
    return this.#items.size;
  }

  /**
   * Resolves with an item that is the caller's until `release` or `discard`. Rejects with OVERLOADED, DEADLINE_EXCEEDED,
   * CANCELLED, or what `open` failed with.
   */
  acquire(deadlineMs: number, signal?: AbortSignal): Promise<Item> {
    if (this.#closed)
      return Promise.reject(new LocusError("OVERLOADED", "cannot take a connection: the node is closing"));
    const idle = this.#idle.pop();
    if (idle !== undefined) return Promise.resolve(idle);
    if (this.#waiting.size >= this.#options.queueLengthMax) {
      const limit = `${this.#options.queueLengthMax} are waiting already`;
      return Promise.reject(new LocusError("OVERLOADED", `cannot wait for a connection: ${limit}`));
    }
    return this.#wait(deadlineMs, signal);
  }

  /** Gives a working item back. One that was discarded meanwhile stays gone. */
  release(item: Item): void {
    if (!this.#items.has(item)) return;
    if (this.#closed) return this.discard(item);
    const next = this.#takeWaiter();
    if (next === undefined) this.#idle.push(item);
    else next.resolve(item);
  }

  /** Throws an item away, idle or in use; who waits gets a new one. Idempotent. */
  discard(item: Item): void {
    if (!this.#items.delete(item)) return;
    const index = this.#idle.indexOf(item);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#options.close(item);
    this.#grow();
  }

  /** Refuses who waits and closes what is idle; what is in use closes when it comes back. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiting) {
      waiter.reject(new LocusError("OVERLOADED", "cannot take a connection: the node is closing"));
    }
    this.#waiting.clear();
    for (const item of this.#idle.splice(0)) this.discard(item);
  }

  #wait(deadlineMs: number, signal: AbortSignal | undefined): Promise<Item> {
    return new Promise<Item>((resolve, reject) => {
      const leave = (settle: () => void): void => {
        this.#waiting.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancel);
        settle();
      };
      const cancel = (): void =>
        leave(() => reject(new LocusError("CANCELLED", "cancelled while it waited for a connection")));
      const expire = (): void =>
        leave(() => reject(new LocusError("DEADLINE_EXCEEDED", `no connection became free within ${deadlineMs} ms`)));
      const waiter: Waiter<Item> = {
        resolve: (item) => leave(() => resolve(item)),
        reject: (error) => leave(() => reject(error)),
      };
      const timer = setTimeout(expire, deadlineMs);
      if (signal?.aborted === true) return cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      this.#waiting.add(waiter);
      this.#grow();
    });
  }

  /** Opens one more item if somebody waits for whom none is being opened yet. */
  #grow(): void {
    if (this.#closed || this.#opening >= this.#waiting.size) return;
    if (this.#items.size + this.#opening >= this.#options.sizeMax) return;
    this.#opening += 1;
    this.#options.open().then(
      (item) => {
        this.#opening -= 1;
        this.#items.add(item);
        this.release(item);
      },
      (error: unknown) => {
        this.#opening -= 1;
        // One failure answers one waiter: the others get attempts of their own, as long as their deadlines last.
        this.#takeWaiter()?.reject(error);
        this.#grow();
      },
    );
  }

  #takeWaiter(): Waiter<Item> | undefined {
    const [first] = this.#waiting;
    return first;
  }
}
