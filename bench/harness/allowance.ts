// Extra time that a run may take, divided among its turns: those that come late have as much of it as those that come first.

export class Allowance {
  #leftMs: number;
  #turnMs = 0;

  /** Of all turns. */
  constructor(ms: number) {
    this.#leftMs = ms;
  }

  /** Of so many that are left, this one included: it has an equal part of what is left. */
  beginTurn(turnsLeft: number): void {
    this.#turnMs = this.#leftMs / turnsLeft;
  }

  /** Of this turn's part what is left. */
  get turnMs(): number {
    return this.#turnMs;
  }

  /** What takes longer than is left is at the cost of later turns. */
  spend(ms: number): void {
    this.#turnMs = Math.max(0, this.#turnMs - ms);
    this.#leftMs = Math.max(0, this.#leftMs - ms);
  }
}
