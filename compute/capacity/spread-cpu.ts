// CPU time that calls on an instance used, by when they used it. What a call used is known when it has ended, and is taken to have been used evenly
// while it ran: counted when it is told, a call of a minute would have used the CPUs of a minute in the half second of one beat.

/** Spans that are remembered: in as many beats the longest call has ended. */
const SPANS_MAX = 600;

/** From one beat to the next. */
interface Span {
  readonly lengthMs: number;
  cpuUs: number;
}

export class SpreadCpu {
  /** Of those that calls may have begun in which run still, the last ones; the oldest first. */
  readonly #past: Span[] = [];
  /** Since the last beat. */
  #sinceMs: number;
  #cpuUs = 0;
  /** CPUs in use in the busiest of the past spans of which more has become known since. */
  #pastCpus = 0;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** A call that ran for `elapsedMs` until now. Calls are shorter than a beat but for a few: these alone are spread. */
  add(nowMs: number, elapsedMs: number, cpuUs: number): void {
    const lengthMs = nowMs - this.#sinceMs;
    // With no past none began there, whatever the clocks say.
    if (elapsedMs <= lengthMs || this.#past.length === 0) {
      this.#cpuUs += cpuUs;
      return;
    }
    const usPerMs = cpuUs / elapsedMs;
    this.#cpuUs += usPerMs * lengthMs;
    let leftMs = elapsedMs - lengthMs;
    for (let at = this.#past.length - 1; at >= 0 && leftMs > 0; at--) {
      const span = this.#past[at]!;
      const partMs = Math.min(leftMs, span.lengthMs);
      span.cpuUs += usPerMs * partMs;
      leftMs -= partMs;
      this.#pastCpus = Math.max(this.#pastCpus, cpusOf(span));
    }
  }

  /** With a beat, `elapsedMs` after the last one: the most CPUs in use at once, of what has become known since then. `isUsed`: calls run on. */
  tell(nowMs: number, elapsedMs: number, isUsed: boolean): number {
    const span = { lengthMs: elapsedMs, cpuUs: this.#cpuUs };
    const cpus = Math.max(this.#pastCpus, cpusOf(span));
    this.#sinceMs = nowMs;
    this.#cpuUs = 0;
    this.#pastCpus = 0;
    if (!isUsed) this.#past.length = 0;
    else if (this.#past.push(span) > SPANS_MAX) this.#past.shift();
    return cpus;
  }
}

const cpusOf = ({ lengthMs, cpuUs }: Span): number => cpuUs / 1e3 / lengthMs;
