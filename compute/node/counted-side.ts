// A side, and how many calls of this node it has now: what the plan looks at where a call may go either way.

import type { AdmittedCall, PushedBack, SideReply, SideRunner } from "./side-runner.ts";

export class CountedSide implements SideRunner {
  readonly #side: SideRunner;
  #inFlight = 0;

  constructor(side: SideRunner) {
    this.#side = side;
  }

  /** Waiting ones included. */
  get inFlight(): number {
    return this.#inFlight;
  }

  async run(admitted: AdmittedCall, signal?: AbortSignal): Promise<SideReply | PushedBack> {
    this.#inFlight += 1;
    try {
      return await this.#side.run(admitted, signal);
    } finally {
      this.#inFlight -= 1;
    }
  }
}
