// The turns of a lease for one who follows it: one at a time, since what one has begun is not to be undone in its middle by the next.

export class Turns {
  readonly #follow: (isHeld: boolean) => void | Promise<void>;
  /** To be told yet: a loss at most, and a gain after it. */
  #waiting: readonly boolean[] = [];
  #isFollowing = false;

  /** `follow` never rejects. */
  constructor(follow: (isHeld: boolean) => void | Promise<void>) {
    this.#follow = follow;
  }

  /** Of many alike one is enough. A loss is told though the lease was gained again since: another had it in between. */
  tell(isHeld: boolean): void {
    if (!isHeld) this.#waiting = [false];
    else if (this.#waiting.at(-1) !== true) this.#waiting = [...this.#waiting, true];
    if (!this.#isFollowing) void this.#tellAll();
  }

  async #tellAll(): Promise<void> {
    this.#isFollowing = true;
    while (this.#waiting.length > 0) {
      const [next = false, ...rest] = this.#waiting;
      this.#waiting = rest;
      await this.#follow(next);
    }
    this.#isFollowing = false;
  }
}
