// Where the numbers of a profile are: all of one function in one array, its parts one after another. A part is described once and works on the array that it is given: folding what
// a node sends writes sixty numbers for each function, and those of a thousand functions are in no cache. As fields of objects, each number a box of its own in V8, they lay on
// seventy of its lines.

/** All numbers of one profile; whose place is where, a `Layout` says. */
export type Values = Float64Array;

export class Layout {
  #size = 0;

  /** The first place of so many for one part. */
  take(count: number): number {
    const at = this.#size;
    this.#size += count;
    return at;
  }

  /** Of a new profile: 0 everywhere. */
  values(): Values {
    return new Float64Array(this.#size);
  }
}
