// How many calls came in the last ten seconds, for people: they look some seconds after they called. A plan follows a faster
// rate (coming-calls.ts).

/** As far as it looks back; the second that is not over yet comes on top. */
export const RECENT_S = 10;
const SECONDS = RECENT_S + 1;

export class RecentCalls {
  /** By second, round and round. */
  readonly #counts = new Float64Array(SECONDS);
  /** The latest that was counted in; -1: none was. */
  #second = -1;

  /** A clock that jumps back counts in the second that it has been at. */
  count(calls: number, nowMs: number): void {
    this.#forgetUntil(secondOf(nowMs));
    this.#counts[this.#second % SECONDS]! += calls;
  }

  perSecond(nowMs: number): number {
    const now = Math.max(this.#second, secondOf(nowMs));
    let calls = 0;
    for (let second = Math.max(0, this.#second - SECONDS + 1); second <= this.#second; second++) {
      if (now - second < SECONDS) calls += this.#counts[second % SECONDS]!;
    }
    return calls / (RECENT_S + Math.max(0, nowMs / 1e3 - now));
  }

  #forgetUntil(second: number): void {
    if (second <= this.#second) return;
    if (second - this.#second >= SECONDS) this.#counts.fill(0);
    else for (let gone = this.#second + 1; gone <= second; gone++) this.#counts[gone % SECONDS] = 0;
    this.#second = second;
  }
}

const secondOf = (ms: number): number => Math.floor(ms / 1e3);
