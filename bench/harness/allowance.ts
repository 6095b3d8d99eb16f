// Extra time that a run may take, divided among its groups: those that come late have as much of it as those that come first.

export class Allowance {
  #leftMs: number;
  #partMs = 0;

  /** Of all groups. */
  constructor(ms: number) {
    this.#leftMs = ms;
  }

  /** Of so many that are left, this one included: it has an equal part of what is left. */
  beginPart(groupsLeft: number): void {
    this.#partMs = this.#leftMs / groupsLeft;
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
