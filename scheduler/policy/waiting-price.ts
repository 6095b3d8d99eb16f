// What a second of waiting is worth in GB·s of memory held: the exchange rate by which keep-alive, starting ahead and waiting for busy
// instances are decided.
//
// It is either set, or follows from a score of two ratios as the 2023 contest's:
//
//     score = executed GB·s ÷ held GB·s  +  executing s ÷ (executing + waiting) s
//
// At the margin a second of waiting costs E ÷ (E + W)², and a GB·s of memory G ÷ S²; the price is the quotient. But the score has several
// optima (hold nothing and wait, or hold all and never wait), each its own price's best answer. So what each function would come to is added
// up at a ladder of prices, and the rung is taken where the whole score is highest.
//
// Of the 2020 contest's score, which is relative to a reference scheduler's, each function has a price of its own (reference-2020.ts).

import { Reference2020 } from "./reference-2020.ts";
import { amountIn, amountsIn } from "./saved-amounts.ts";
import type { Weights2020 } from "./weights-2020.ts";

export type Objective =
  /** The price is set. */
  | { readonly kind: "waiting"; readonly gbSecondsPerWaitSecond: number }
  /** Each cold start costs as much, however long it takes; or as much more as its function has fewer calls, times the seconds between two. */
  | { readonly kind: "cold-starts"; readonly gbSeconds: number; readonly equally: "calls" | "functions" }
  /** As high a score of the 2023 contest as can be had. */
  | { readonly kind: "score-2023" }
  /** As low a score of the 2020 contest; `gbMax` is the memory of all nodes that there may be. */
  | { readonly kind: "score-2020"; readonly weights: Weights2020; readonly gbMax: number };

function firstPrice(objective: Objective): number {
  if (objective.kind === "waiting") return objective.gbSecondsPerWaitSecond;
  return objective.kind === "cold-starts" ? objective.gbSeconds : FIRST_PRICE;
}

/** Rungs, a factor of 4 apart, from 4⁻⁶ to 4¹² GB. */
export const RUNGS = 19;
const RUNG_FACTOR = 4;
const PRICES = Float64Array.from({ length: RUNGS }, (_, rung) => RUNG_FACTOR ** (rung - 6));
export const rungPrice = (rung: number): number => PRICES[rung]!;
/** Until anything is known: a second of waiting counts as a GB held for so many seconds. Chosen. */
const FIRST_PRICE = 10;

/** As much is taken to be still to come, in multiples of what has been: what was waited and held already cannot be undone. Chosen: the usual guess. */
const AHEAD = 1;
/** Scores that differ by less, of prices side by side, are of the same answer: what differs is the order in which sums were added up. */
const SAME_SCORE = 1e-9;
/** That are saved beside those by rung. */
const SUMS = 4;

export class WaitingPrice {
  readonly #objective: Objective;
  /** null: the price is the same for all functions. */
  readonly reference: Reference2020 | null;
  /** By rung, over all functions. */
  readonly held = new Float64Array(RUNGS);
  readonly waited = new Float64Array(RUNGS);
  executedGbSeconds = 0;
  executedSeconds = 0;
  /** What was waited in all, indeed. */
  actuallyWaitedSeconds = 0;
  /** What was held in all, indeed: since this scheduler began, as it was told last, and before that. */
  #heldSinceGbSeconds = 0;
  #heldBeforeGbSeconds = 0;
  #isRestored = false;
  #price: number;

  constructor(objective: Objective) {
    this.#objective = objective;
    this.reference = objective.kind === "score-2020" ? new Reference2020(objective.weights, objective.gbMax) : null;
    this.#price = firstPrice(objective);
  }

  /** GB·s for a second of waiting. */
  get price(): number {
    return this.#price;
  }

  get followsScore(): boolean {
    return this.#objective.kind === "score-2023";
  }

  get countsColdStarts(): boolean {
    return this.#objective.kind === "cold-starts";
  }

  get countsFunctionsEqually(): boolean {
    return this.#objective.kind === "cold-starts" && this.#objective.equally === "functions";
  }

  /** Whether it knows of calls before a restart. */
  get isRestored(): boolean {
    return this.#isRestored;
  }

  /** What was held indeed since this scheduler began. Of a time before others were told of it is less. */
  heldSince(gbSeconds: number): void {
    this.#heldSinceGbSeconds = Math.max(this.#heldSinceGbSeconds, gbSeconds);
  }

  /** After sums have changed. */
  settle(): void {
    if (!this.followsScore || this.executedSeconds <= 0) return;
    const actuallyHeldGbSeconds = this.#actuallyHeldGbSeconds;
    let [best, last, bestScore] = [0, 0, -1];
    for (let rung = 0; rung < RUNGS; rung++) {
      const score =
        ((1 + AHEAD) * this.executedGbSeconds) /
          (AHEAD * (this.executedGbSeconds + this.held[rung]!) + actuallyHeldGbSeconds) +
        ((1 + AHEAD) * this.executedSeconds) /
          ((1 + AHEAD) * this.executedSeconds + AHEAD * this.waited[rung]! + this.actuallyWaitedSeconds);
      if (score > bestScore * (1 + SAME_SCORE)) [best, last, bestScore] = [rung, rung, score];
      else if (rung === last + 1 && score >= bestScore * (1 - SAME_SCORE)) last = rung;
    }
    const held = AHEAD * (this.executedGbSeconds + this.held[best]!) + actuallyHeldGbSeconds;
    const all = (1 + AHEAD) * this.executedSeconds + AHEAD * this.waited[best]! + this.actuallyWaitedSeconds;
    const marginal = ((this.executedSeconds / all ** 2) * held ** 2) / this.executedGbSeconds;
    // Between its rungs a price gives the same answers: the marginal one lies near.
    this.#price = Math.min(rungPrice(last) * RUNG_FACTOR, Math.max(rungPrice(best) / RUNG_FACTOR, marginal));
  }

  /** The sums that the price follows from; null where it follows from none. */
  save(): readonly number[] | null {
    if (!this.followsScore) return null;
    const indeed = [
      this.executedGbSeconds,
      this.executedSeconds,
      this.#actuallyHeldGbSeconds,
      this.actuallyWaitedSeconds,
    ];
    return [...indeed, ...this.held, ...this.waited];
  }

  /** Throws where it cannot have been saved. */
  restore(saved: unknown): void {
    if (!this.followsScore) return;
    const sums = amountsIn(saved, SUMS + 2 * RUNGS);
    if (sums.length !== SUMS + 2 * RUNGS) throw new Error(`not the sums of ${RUNGS} prices`);
    this.executedGbSeconds = sums[0]!;
    this.executedSeconds = sums[1]!;
    this.#heldBeforeGbSeconds = sums[2]!;
    this.actuallyWaitedSeconds = sums[3]!;
    this.held.set(sums.slice(SUMS, SUMS + RUNGS));
    this.waited.set(sums.slice(SUMS + RUNGS));
    this.settle();
    // Of sums that are too small to be divided by there is none.
    amountIn(this.#price);
    this.#isRestored = true;
  }

  get #actuallyHeldGbSeconds(): number {
    return this.#heldBeforeGbSeconds + this.#heldSinceGbSeconds;
  }
}
