// Lines of a log, so many a second as can be read: the rest is counted. Whoever writes a function decides how much it says, and a load how much a
// scheduler has to tell. Redis' log has the same of the module (storage-module/src/log_lines.h).

/** `kLogLinesPerSecond` there. */
const LINES_PER_SECOND = 100;

export class BoundedLines {
  readonly #tellDropped: (count: number) => void;
  readonly #nowMs: () => number;
  #secondBeganMs = -Infinity;
  #written = 0;
  #dropped = 0;

  /** `tellDropped` is called before the first line of a later second, with how many there were more. `nowMs`: a clock that is never set back. */
  constructor(tellDropped: (count: number) => void, nowMs: () => number) {
    this.#tellDropped = tellDropped;
    this.#nowMs = nowMs;
  }

  /** Calls `line`, or drops it. */
  write(line: () => void): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#secondBeganMs >= 1_000) {
      if (this.#dropped > 0) this.#tellDropped(this.#dropped);
      this.#secondBeganMs = nowMs;
      this.#written = this.#dropped = 0;
    }
    if (this.#written === LINES_PER_SECOND) {
      this.#dropped += 1;
      return;
    }
    this.#written += 1;
    line();
  }
}
