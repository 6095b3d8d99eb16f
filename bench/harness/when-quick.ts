// Measures when the cores are quick, as far as extra time is allowed: before a measurement it waits until they are, and what was disturbed
// it measures once more. Of the two it keeps the one that was disturbed less, which has nothing to do with what they came to.

import type { Allowance } from "./allowance.ts";
import type { Measure, Measuring } from "./contest.ts";
import type { Witness } from "./witness.ts";

export interface Clock {
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

/** Of the measurements that count. */
export interface Disturbances {
  readonly measurements: number;
  /** Of those that were kept. */
  readonly disturbed: number;
  readonly repeated: number;
  readonly waitedMs: number;
}

/** A core is slowed that takes this much longer than when it is quick. On an AMD EPYC one takes 1.4 times as long while its other hardware thread has work. */
const SLOWED = 1.2;
/** How a core is now is told by as much time. */
const NOW_MS = 300;
const LOOK_EVERY_MS = 100;
/** For a measurement, and for its repetition. */
const WAIT_MS_MAX = 1_500;

interface Witnessed {
  readonly measure: Measure;
  /** Without its lead-in. */
  readonly countedMs: number;
  readonly slowdown: number;
}

export class WhenQuick implements Measuring {
  readonly #witness: Witness;
  readonly #allowance: Allowance;
  readonly #clock: Clock;
  #measurements = 0;
  #disturbed = 0;
  #repeated = 0;
  #waitedMs = 0;

  constructor(witness: Witness, allowance: Allowance, clock: Clock) {
    this.#witness = witness;
    this.#allowance = allowance;
    this.#clock = clock;
  }

  get disturbances(): Disturbances {
    return {
      measurements: this.#measurements,
      disturbed: this.#disturbed,
      repeated: this.#repeated,
      waitedMs: Math.round(this.#waitedMs),
    };
  }

  beginTurn(turnsLeft: number): void {
    this.#allowance.beginTurn(turnsLeft);
  }

  async measure(run: () => Promise<Measure>): Promise<Measure> {
    await this.#waitUntilQuick(0);
    const first = await this.#watch(run);
    // While the cores are slowed once more would be in vain.
    const isRepeated = first.slowdown > SLOWED && (await this.#waitUntilQuick(first.countedMs));
    const again = isRepeated ? await this.#repeat(run) : first;
    const { measure, slowdown } = again.slowdown < first.slowdown ? again : first;
    const isDisturbed = slowdown > SLOWED;
    this.#measurements += 1;
    this.#disturbed += isDisturbed ? 1 : 0;
    return { ...measure, isDisturbed };
  }

  /** Whether they are quick in the end, with so much of the turn's extra time left. */
  async #waitUntilQuick(reservedMs: number): Promise<boolean> {
    const beganMs = this.#clock.nowMs();
    const untilMs = beganMs + Math.min(WAIT_MS_MAX, this.#allowance.turnMs - reservedMs);
    let isQuick = (await this.#witness.slowdown(NOW_MS)) <= SLOWED;
    while (!isQuick && this.#clock.nowMs() < untilMs) {
      await this.#clock.sleep(LOOK_EVERY_MS);
      isQuick = (await this.#witness.slowdown(NOW_MS)) <= SLOWED;
    }
    const waitedMs = this.#clock.nowMs() - beganMs;
    this.#waitedMs += waitedMs;
    this.#allowance.spend(waitedMs);
    return isQuick && this.#allowance.turnMs >= reservedMs;
  }

  async #repeat(run: () => Promise<Measure>): Promise<Witnessed> {
    const beganMs = this.#clock.nowMs();
    const again = await this.#watch(run);
    this.#allowance.spend(this.#clock.nowMs() - beganMs);
    this.#repeated += 1;
    return again;
  }

  async #watch(run: () => Promise<Measure>): Promise<Witnessed> {
    const beganMs = this.#clock.nowMs();
    const measure = await run();
    const countedMs = this.#clock.nowMs() - beganMs - (measure.leadInMs ?? 0);
    return { measure, countedMs, slowdown: await this.#witness.slowdown(countedMs) };
  }
}
