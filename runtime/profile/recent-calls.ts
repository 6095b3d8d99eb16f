// How many calls came in the last ten seconds, for people: they look some seconds after they called. A plan follows a faster
// rate (coming-calls.ts).

import type { Layout, Values } from "./layout.ts";

/** As far as it looks back; the second that is not over yet comes on top. */
const RECENT_S = 10;
const SECONDS = RECENT_S + 1;

export class RecentCalls {
  /** By second, round and round. */
  readonly #at: number;
  /** After the latest that was counted in; 0: none was. */
  readonly #endAt: number;

  constructor(layout: Layout) {
    this.#at = layout.take(SECONDS);
    this.#endAt = layout.take(1);
  }

  /** A clock that jumps back counts in the second that it has been at. */
  count(values: Values, calls: number, nowMs: number): void {
    const second = Math.max(secondOf(nowMs), values[this.#endAt]! - 1);
    this.#forgetUntil(values, second);
    values[this.#at + (second % SECONDS)]! += calls;
  }

  perSecond(values: Values, nowMs: number): number {
    const end = values[this.#endAt]!;
    const now = Math.max(end - 1, secondOf(nowMs));
    let calls = 0;
    for (let second = Math.max(0, end - SECONDS); second < end; second++) {
      if (now - second < SECONDS) calls += values[this.#at + (second % SECONDS)]!;
    }
    return calls / (RECENT_S + Math.max(0, nowMs / 1e3 - now));
  }

  #forgetUntil(values: Values, second: number): void {
    const end = values[this.#endAt]!;
    if (second < end) return;
    if (second - end >= SECONDS - 1) values.fill(0, this.#at, this.#at + SECONDS);
    else for (let gone = end; gone <= second; gone++) values[this.#at + (gone % SECONDS)] = 0;
    values[this.#endAt] = second + 1;
  }
}

const secondOf = (ms: number): number => Math.max(0, Math.floor(ms / 1e3));
