// A side, and how many calls of this node it has now: what the plan looks at where a call may go either way.

import type { AdmittedCall, PushedBack, SideReply, SideRunner } from "./side-runner.ts";

/** How many calls of each function there are; as many functions as have any. */
export class CallsByFunction {
  readonly #calls = new Map<string, number>();

  count(name: string, more: number): void {
    const calls = this.of(name) + more;
    if (calls === 0) this.#calls.delete(name);
    else this.#calls.set(name, calls);
  }

  of(name: string): number {
    return this.#calls.get(name) ?? 0;
  }
}

export class CountedSide implements SideRunner {
  readonly #side: SideRunner;
  #inFlight = 0;
  #overflowing = 0;
  readonly #chosen = new CallsByFunction();

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

  /** Of a function, of those that nobody asked to run on this side. */
  inFlightOf(name: string): number {
    return this.#chosen.of(name);
  }

  async run(admitted: AdmittedCall, signal?: AbortSignal): Promise<SideReply | PushedBack> {
    const overflowing = admitted.overflows ? 1 : 0;
    this.#inFlight += 1;
    this.#overflowing += overflowing;
    if (admitted.isChosen) this.#chosen.count(admitted.call.function, 1);
    try {
      return await this.#side.run(admitted, signal);
    } finally {
      this.#inFlight -= 1;
      this.#overflowing -= overflowing;
      if (admitted.isChosen) this.#chosen.count(admitted.call.function, -1);
    }
  }
}
