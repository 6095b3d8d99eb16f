// How long instances of one function stay idle until they are used again, were none ever ended: what keep-alive is decided by.
//
// Idle instances are a stack: the most recently used is taken first. So the one at a level of the stack stays there until calls come down to
// it, and each level has a gap distribution of its own: the lowest waits for the function's next call, the tenth for the next burst of
// ten. The stack is kept by arrivals and ends alone, whatever instances really were ended meanwhile, so what is learned does not depend
// on what was decided by it.

import { BucketCells, bucketOfMs, BUCKETS } from "./bucket-cells.ts";
import { amountIn, amountsIn } from "./saved-amounts.ts";

/** Levels are taken together by octaves: 1, 2, 3–4, 5–8, …, and all above 64. */
export const LEVELS = 8;
/** Beyond so many nothing is remembered of idle instances. */
const STACK_MAX = 4_096;
/** When a level has seen so many gaps, they all count half: what a function did long ago fades. */
const GAPS_MAX = 8_192;

export const levelOf = (depth: number): number => (depth <= 1 ? 0 : Math.min(LEVELS - 1, 32 - Math.clz32(depth - 1)));

const [COUNT, SUM_MS, LONGEST_MS, FIELDS] = [0, 1, 2, 3] as const;

/** Gaps of one level. */
export class GapHistogram extends BucketCells {
  gaps = 0;

  constructor() {
    super(FIELDS);
  }

  count(bucket: number): number {
    return this.value(bucket, COUNT);
  }

  sumMs(bucket: number): number {
    return this.value(bucket, SUM_MS);
  }

  longestMs(bucket: number): number {
    return this.value(bucket, LONGEST_MS);
  }

  add(gapMs: number): void {
    const bucket = bucketOfMs(gapMs);
    this.set(bucket, COUNT, this.count(bucket) + 1);
    this.set(bucket, SUM_MS, this.sumMs(bucket) + gapMs);
    if (gapMs > this.longestMs(bucket)) this.set(bucket, LONGEST_MS, gapMs);
    if (++this.gaps >= GAPS_MAX) this.#fade();
  }

  #fade(): void {
    this.scaleField(COUNT, 1 / 2);
    this.scaleField(SUM_MS, 1 / 2);
    this.gaps /= 2;
  }

  save(): readonly (readonly number[])[] {
    const saved: number[][] = [];
    for (let bucket = this.first; bucket <= this.last; bucket++) {
      const count = this.count(bucket);
      if (count > 0) saved.push([bucket, count, this.sumMs(bucket), this.longestMs(bucket)]);
    }
    return saved;
  }

  /** Throws where it cannot have been saved. */
  restore(saved: ReturnType<GapHistogram["save"]>): void {
    for (const cell of saved) {
      const [bucket = BUCKETS, count = 0, sumMs = 0, longestMs = 0] = amountsIn(cell, 4);
      if (!Number.isInteger(bucket) || bucket >= BUCKETS) throw new Error(`there is no bucket ${bucket}`);
      this.set(bucket, COUNT, count);
      this.set(bucket, SUM_MS, sumMs);
      this.set(bucket, LONGEST_MS, longestMs);
      this.gaps += count;
    }
  }
}

export interface SavedGaps {
  readonly levels: readonly (ReturnType<GapHistogram["save"]> | null)[];
  readonly firstUses: number;
}

export class IdleGaps {
  // Most calls are about the lowest level and the top of the stack: these are fields, so that such a call looks into no list.
  #lowest: GapHistogram | undefined = undefined;
  /** By level; the first place is empty. */
  readonly #higher: (GapHistogram | undefined)[] = [];
  /** When the instances that would be idle came to rest: the last of them, and those below it, the lowest level first. */
  #topMs = NaN;
  readonly #below: number[] = [];
  /** Instances that would be idle. */
  depth = 0;
  /** Calls that found nothing in the stack: no keep-alive would have served them. */
  firstUses = 0;

  /** undefined where none was seen. */
  at(level: number): GapHistogram | undefined {
    return level === 0 ? this.#lowest : this.#higher[level];
  }

  /** A call came. The gap that it ended; NaN where no instance could be idle. */
  arrived(nowMs: number): number {
    if (this.depth === 0) {
      this.firstUses++;
      return NaN;
    }
    const gapMs = nowMs - this.#topMs;
    this.#made(levelOf(this.depth)).add(gapMs);
    this.depth--;
    if (this.depth > 0) this.#topMs = this.#below.pop()!;
    return gapMs;
  }

  ended(nowMs: number): void {
    if (this.depth >= STACK_MAX) return;
    if (this.depth > 0) this.#below.push(this.#topMs);
    this.#topMs = nowMs;
    this.depth++;
  }

  save(): SavedGaps {
    const levels = Array.from({ length: LEVELS }, (_, level) => this.at(level)?.save() ?? null);
    return { levels: levels.slice(0, levels.findLastIndex((one) => one !== null) + 1), firstUses: this.firstUses };
  }

  /** Throws where it cannot have been saved. */
  restore({ levels, firstUses }: SavedGaps): void {
    this.firstUses = amountIn(firstUses);
    if (levels.length > LEVELS) throw new Error(`there are ${LEVELS} levels, not ${levels.length}`);
    levels.forEach((saved, level) => {
      if (saved !== null) this.#made(level).restore(saved);
    });
  }

  #made(level: number): GapHistogram {
    if (level === 0) return (this.#lowest ??= new GapHistogram());
    return (this.#higher[level] ??= new GapHistogram());
  }
}
