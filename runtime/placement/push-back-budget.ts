// What the push-backs of a function may waste: a call that is pushed back has computed for nothing. Kept by whoever decides which of its calls may be, for those
// calls; the module keeps the same of those that come to it (storage-module/src/push_back_budget.h). A token bucket in µs of computing: docs/placement.md, Push-back.

import { BACK_UNKNOWN_US } from "./push-back.ts";

/** Of what calls compute. Chosen: of log-normal calls with a σ of up to 1.6 the one in a thousand that is beyond `backCpuUs` wastes less, 0.00135 · exp(3 σ − σ² ÷ 2). */
const PART = 0.05;
/** What may be wasted beyond that, and is gathered at most: ten calls of a function of which nothing is known. */
const BURST_US = 10 * BACK_UNKNOWN_US;

/** No sandbox host is believed to have computed more for nothing. Chosen: far more than calls come to before they are pushed back. */
const DEBT_MAX_US = 60_000_000;

export class PushBackBudget {
  #leftUs = BURST_US;
  #stayed = 0;

  /** Nothing is left: the calls that come now are not pushed back. One that was under way may make a debt, which is paid first. */
  get isSpent(): boolean {
    return this.#leftUs <= 0;
  }

  /** Calls that were dearer than what is pushed back, and stayed while nothing was left. */
  get stayed(): number {
    return this.#stayed;
  }

  /** A call has come to its end, wherever that was. */
  ended(cpuUs: number): void {
    this.#leftUs = Math.min(BURST_US, this.#leftUs + PART * Math.max(0, cpuUs));
  }

  /** A call has computed for so long, and begins anew. */
  pushedBack(cpuUs: number): void {
    this.#leftUs = Math.max(-DEBT_MAX_US, this.#leftUs - Math.max(0, cpuUs));
  }

  letStay(): void {
    this.#stayed += 1;
  }
}
