// A side, and how many calls of this node it has now: what the plan looks at where a call may go either way.

import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";
import type { AdmittedCall, PushedBack, SideReply, SideRunner } from "./side-runner.ts";

/** A count is kept when its function has no calls any more, while there are no more counts than this: making one anew takes longer than a call's other sums. */
const COUNTS_KEPT = TALLIED_FUNCTIONS_MAX;

/** How many calls of each function there are. */
export class CallsByFunction {
  readonly #counts = new Map<string, { calls: number }>();

  count(name: string, more: number): void {
    let count = this.#counts.get(name);
    if (count === undefined) this.#counts.set(name, (count = { calls: 0 }));
    count.calls += more;
    if (count.calls === 0 && this.#counts.size > COUNTS_KEPT) this.#counts.delete(name);
  }

  /** Functions that are counted. */
  get size(): number {
    return this.#counts.size;
  }

  of(name: string): number {
    return this.#counts.get(name)?.calls ?? 0;
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
