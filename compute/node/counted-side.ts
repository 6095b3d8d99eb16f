// A side, and how many calls of this node it has now: what the plan looks at where a call may go either way.

import type { AdmittedCall, PushedBack, SideReply, SideRunner } from "./side-runner.ts";

export class CountedSide implements SideRunner {
  readonly #side: SideRunner;
  #inFlight = 0;
  #overflowing = 0;

  constructor(side: SideRunner) {
    this.#side = side;
  }

  /** Waiting ones included. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Of them, those of functions that overflow. */
  get overflowing(): number {
    return this.#overflowing;
  }

  async run(admitted: AdmittedCall, signal?: AbortSignal): Promise<SideReply | PushedBack> {
    const overflowing = admitted.overflows ? 1 : 0;
    this.#inFlight += 1;
    this.#overflowing += overflowing;
    try {
      return await this.#side.run(admitted, signal);
    } finally {
      this.#inFlight -= 1;
      this.#overflowing -= overflowing;
    }
  }
}
