// Counts and sums by how long something lasted, in two buckets to the octave. Most functions use a few of them, and a scheduler has a hundred
// thousand functions: what is kept reaches from the first that is in use to the last, so that a function's lie together.

/** From 1 ms to 2³³ ms (99 days). */
export const BUCKETS = 68;
const PER_OCTAVE = 2 / Math.LN2;

export const bucketOfMs = (ms: number): number => Math.min(BUCKETS - 1, Math.floor(Math.log(ms + 1) * PER_OCTAVE));

export class BucketCells {
  readonly #fields: number;
  /** Of each bucket its fields, side by side. */
  #cells: number[] = [];
  /** In use; BUCKETS and -1 where none is. */
  first = BUCKETS;
  last = -1;

  constructor(fields: number) {
    this.#fields = fields;
  }

  /** 0 where the bucket is not in use. */
  protected value(bucket: number, field: number): number {
    return bucket < this.first || bucket > this.last ? 0 : this.#cells[(bucket - this.first) * this.#fields + field]!;
  }

  protected set(bucket: number, field: number, value: number): void {
    if (bucket < this.first || bucket > this.last) this.#reach(bucket);
    this.#cells[(bucket - this.first) * this.#fields + field] = value;
  }

  protected scaleField(field: number, factor: number): void {
    for (let at = field; at < this.#cells.length; at += this.#fields) this.#cells[at]! *= factor;
  }

  #reach(bucket: number): void {
    const first = Math.min(this.first, bucket);
    const last = Math.max(this.last, bucket);
    const cells: number[] = [];
    for (let at = first; at <= last; at++) {
      for (let field = 0; field < this.#fields; field++) cells.push(this.value(at, field));
    }
    [this.#cells, this.first, this.last] = [cells, first, last];
  }
}
