// Extra time that a run may take, divided among its groups: in a first pass all have as much of it, in each later one those that have use for more of what the others have left.

export class Allowance {
  #leftMs: number;
  #eachMs = 0;
  #partMs = 0;

  /** Of all groups. */
  constructor(ms: number) {
    this.#leftMs = ms;
  }

  get leftMs(): number {
    return this.#leftMs;
  }

  /** Of so many groups each has an equal part of what is left. */
  beginPass(groups: number): void {
    this.#eachMs = this.#leftMs / groups;
  }

  /** Of so many that are left of a pass, this one included: it has its part, and no more than an equal part of the room that there is for all of them. */
  beginPart(groupsLeft: number, roomMs = Infinity): void {
    this.#partMs = Math.min(this.#eachMs, Math.min(this.#leftMs, roomMs) / groupsLeft);
  }

  /** Of this group's part what is left. */
  get partMs(): number {
    return this.#partMs;
  }

  /** What takes longer than is left is at the cost of later groups. */
  spend(ms: number): void {
    this.#partMs = Math.max(0, this.#partMs - ms);
    this.#leftMs = Math.max(0, this.#leftMs - ms);
  }
}

/** Turns that have to be made: what they were to take, and what they took. */
export interface Pace {
  readonly plannedMs: number;
  readonly tookMs: number;
}

/**
 * How much time there is for more until then, where the turns that have yet to be made take as much longer than planned as those that are done have. None where they
 * take all of it.
 */
export function roomUntil(untilMs: number, nowMs: number, { plannedMs, tookMs }: Pace, plannedLeftMs: number): number {
  const slower = plannedMs === 0 ? 1 : Math.max(1, tookMs / plannedMs);
  return Math.max(0, untilMs - nowMs - slower * plannedLeftMs);
}
