// Tells on stderr how far something is that takes longer than a moment: a line that is rewritten on a terminal that can, a line
// now and then elsewhere (a log, a pipe).

import { terminalRewrites } from "./config.ts";

const FIRST_MS = 2_000;
const TERMINAL_INTERVAL_MS = 200;
const LOG_INTERVAL_MS = 10_000;

interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export class Progress {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  readonly #rewrites: boolean;
  readonly #intervalMs: number;
  #nextMs: number;
  #shown = false;

  constructor(
    stream: ProgressStream = process.stderr,
    now: () => number = () => performance.now(),
    canRewrite: boolean = terminalRewrites(),
  ) {
    this.#stream = stream;
    this.#now = now;
    this.#rewrites = stream.isTTY === true && canRewrite;
    this.#intervalMs = this.#rewrites ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS;
    this.#nextMs = now() + FIRST_MS;
  }

  /** Shows `text()` if it is time; cheap otherwise, so it may be called for every step. */
  step(text: () => string): void {
    const nowMs = this.#now();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#intervalMs;
    this.#shown = true;
    // \r and "erase to the end of the line".
    this.#stream.write(this.#rewrites ? `\r${text()}\u001b[K` : `${text()}\n`);
  }

  /** Takes the line away again, so that what follows begins at the left. */
  end(): void {
    if (this.#shown && this.#rewrites) this.#stream.write("\r\u001b[K");
    this.#shown = false;
  }
}
