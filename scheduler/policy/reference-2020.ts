// What the 2020 contest's reference scheduler comes to on the calls that are seen, since its score is relative to that: one container for each
// call in flight, and none released but where another finds no room, the least recently used function's first.
//
//     score = w · mean over functions of (response time ÷ the reference's)  +  v · node time ÷ the reference's
//
// A second of one function's waiting adds w ÷ (n · its response time there), a GB·s of memory held adds v ÷ the GB·s held there: what that second
// is worth in GB·s is the quotient. Both sums are taken to go on as they have come, so their rates stand for them.

import { amountsIn } from "./saved-amounts.ts";
import type { Weights2020 } from "./weights-2020.ts";

/** Until calls have come for so long they tell no rate. Chosen. */
const ELAPSED_SECONDS_MIN = 1;
/** More are not remembered: the least recently used is taken never to be called again. */
const FUNCTIONS_MAX = 10_000;
/** Functions that are looked at for room. Chosen. */
const LOOKS_MAX = 64;

export class Reference2020 {
  readonly #ratio: number;
  readonly #gbMax: number;
  /** Those that were called, the least recently used first. */
  readonly #functions = new Set<ReferenceFunction2020>();
  #gb = 0;
  #gbMost = 0;
  #sinceMs = NaN;
  #nowMs = NaN;
  /** Before a restart: how long calls had come, and of how many functions; null: there was none. */
  #before: { readonly elapsedMs: number; readonly functions: number } | null = null;
  readonly #restored = new WeakSet<readonly unknown[]>();

  /** `gbMax`: of all nodes together. */
  constructor({ responseTime, nodeDuration }: Weights2020, gbMax: number) {
    this.#ratio = responseTime / nodeDuration;
    this.#gbMax = gbMax;
  }

  /**
   * `saved`: as it was saved of the function. It counts where this was restored as well, and once: whoever is followed again begins anew. Throws where it
   * cannot have been saved.
   */
  follow(memoryGb: number, saved?: unknown): ReferenceFunction2020 {
    const one = new ReferenceFunction2020(this, memoryGb);
    if (this.#before === null || !Array.isArray(saved) || this.#restored.has(saved)) return one;
    const room = Math.max(0, Math.floor((this.#gbMax - this.#gb) / memoryGb));
    const containers = one.restore(saved, room);
    this.#restored.add(saved);
    if (one.price === null) {
      one.giveUpAll();
      return one;
    }
    this.#gb += memoryGb * containers;
    this.#gbMost = Math.max(this.#gbMost, this.#gb);
    this.#functions.add(one);
    if (this.#functions.size > FUNCTIONS_MAX) this.#forgetOldest();
    return one;
  }

  save(): readonly number[] {
    return [this.#elapsedMs, this.#gbMost, this.#count];
  }

  /** Before any function is followed. Throws where it cannot have been saved. */
  restore(saved: unknown): void {
    const [elapsedMs = 0, gbMost = 0, functions = 0] = amountsIn(saved, 3);
    this.#before = { elapsedMs, functions: Math.min(functions, FUNCTIONS_MAX) };
    this.#gbMost = Math.min(gbMost, this.#gbMax);
  }

  called(one: ReferenceFunction2020, nowMs: number): void {
    if (Number.isNaN(this.#sinceMs)) this.#sinceMs = nowMs;
    this.#nowMs = nowMs;
    this.#functions.delete(one);
    this.#functions.add(one);
    if (this.#functions.size > FUNCTIONS_MAX) this.#forgetOldest();
  }

  /** Room for one more container. False: none was found. */
  makeRoom(memoryGb: number): boolean {
    let looked = 0;
    for (const one of this.#functions) {
      if (this.#gb + memoryGb <= this.#gbMax || looked++ >= LOOKS_MAX) break;
      while (this.#gb + memoryGb > this.#gbMax && one.giveUpIdle()) this.#gb -= one.memoryGb;
    }
    if (this.#gb + memoryGb > this.#gbMax) return false;
    this.#gb += memoryGb;
    this.#gbMost = Math.max(this.#gbMost, this.#gb);
    return true;
  }

  /** GB·s for a second of a function whose calls have taken so long in all. Nodes once reserved stay, hence the most memory. */
  price(responseSeconds: number): number {
    const elapsedSeconds = Math.max(ELAPSED_SECONDS_MIN, this.#elapsedMs / 1e3);
    return (this.#ratio * this.#gbMost * elapsedSeconds) / (this.#count * responseSeconds);
  }

  get #elapsedMs(): number {
    const sinceMs = Number.isNaN(this.#sinceMs) ? 0 : this.#nowMs - this.#sinceMs;
    return (this.#before?.elapsedMs ?? 0) + sinceMs;
  }

  /** Of functions. After a restart they come back one after another. */
  get #count(): number {
    return Math.max(this.#functions.size, this.#before?.functions ?? 0);
  }

  #forgetOldest(): void {
    for (const oldest of this.#functions) {
      this.#functions.delete(oldest);
      this.#gb -= oldest.memoryGb * oldest.giveUpAll();
      return;
    }
  }
}

export class ReferenceFunction2020 {
  readonly memoryGb: number;
  readonly #all: Reference2020;
  #containers = 0;
  #inFlight = 0;
  #responseSeconds = 0;

  constructor(all: Reference2020, memoryGb: number) {
    this.memoryGb = memoryGb;
    this.#all = all;
  }

  /** Containers, and response time, s. */
  save(): readonly number[] {
    return [this.#containers, this.#responseSeconds];
  }

  /** How many containers it has, of which there is room for so many. Throws where it cannot have been saved. */
  restore(saved: unknown, room: number): number {
    const [containers = 0, responseSeconds = 0] = amountsIn(saved, 2);
    this.#containers = Math.min(Math.floor(containers), room);
    this.#responseSeconds = responseSeconds;
    return this.#containers;
  }

  /** `inFlight`: this one included. */
  arrived(inFlight: number, startMs: number, nowMs: number): void {
    this.#inFlight = inFlight;
    this.#all.called(this, nowMs);
    if (inFlight <= this.#containers) return;
    this.#responseSeconds += startMs / 1e3;
    if (this.#all.makeRoom(this.memoryGb)) this.#containers++;
  }

  ended(inFlight: number, executionMs: number): void {
    this.#inFlight = inFlight;
    this.#responseSeconds += executionMs / 1e3;
  }

  /** False: it has none. */
  giveUpIdle(): boolean {
    if (this.#containers <= this.#inFlight) return false;
    this.#containers--;
    return true;
  }

  /** How many it had. */
  giveUpAll(): number {
    const count = this.#containers;
    this.#containers = 0;
    return count;
  }

  /** GB·s that a second of its waiting is worth; null before anything is known of it. */
  get price(): number | null {
    return this.#responseSeconds > 0 ? this.#all.price(this.#responseSeconds) : null;
  }
}
