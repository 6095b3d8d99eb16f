// Runs a bounded number of things at once and writes what they come to in the order in which they were started. Both
// ways of pressure end here: while the reader of the output is slow nothing is written and the window fills; while it is
// full nothing is started.

export interface Output {
  /** Returns false where nothing more should be written until `OrderedWindow.drained` is called. */
  write(text: string): boolean;
}

export class OrderedWindow {
  readonly #output: Output;
  readonly #sizeMax: number;
  /** Texts that wait for the ones before them; the place of number n is n modulo the size. */
  readonly #texts: (string | null)[];
  /** Number of the first that is not written yet, and of the next to be started. */
  #head = 0;
  #tail = 0;
  #flushing = false;
  #blocked = false;
  #closed = false;
  #wake: (() => void) | null = null;

  constructor(output: Output, sizeMax: number) {
    this.#output = output;
    this.#sizeMax = sizeMax;
    this.#texts = Array.from({ length: sizeMax }, () => null);
  }

  /** Started and not written, finished or not. */
  get size(): number {
    return this.#tail - this.#head;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when one more may be started, or the window is closed. One caller at a time. */
  async room(): Promise<void> {
    while (this.size >= this.#sizeMax && !this.#closed) await this.#changed();
  }

  /** Takes what was started; `run` must not reject. Only while there is room. */
  add(run: Promise<string>): void {
    const number = this.#tail;
    this.#tail += 1;
    void run.then((text) => {
      this.#texts[number % this.#sizeMax] = text;
      if (number === this.#head) this.#flushSoon();
    });
  }

  /** Resolves when all that was started is written, or the window is closed. */
  async empty(): Promise<void> {
    while (this.size > 0 && !this.#closed) await this.#changed();
  }

  /** The output takes more again. */
  drained(): void {
    this.#blocked = false;
    this.#flush();
  }

  /** Nobody reads any more: nothing is written from here on, and nobody waits. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** What finishes in the same turn goes out in one write. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#blocked || this.#closed) return;
    let written = "";
    for (; this.#head < this.#tail; this.#head += 1) {
      const place = this.#head % this.#sizeMax;
      const text = this.#texts[place];
      if (text === null || text === undefined) break;
      this.#texts[place] = null;
      written += text;
    }
    if (written === "") return;
    this.#blocked = !this.#output.write(written);
    this.#wake?.();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }
}
