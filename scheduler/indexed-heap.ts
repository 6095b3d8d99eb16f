// A binary heap whose entries know where they are, so that one can be moved or taken out in O(log n) without being looked for. The
// scheduler keeps in such heaps whatever has an order: alarms by time, idle instances by worth, nodes by rank.

/** What an owner holds to be found again. One entry is in one heap at most. */
export class HeapEntry<Owner> {
  readonly owner: Owner;
  /** The smallest is on top. */
  key = 0;
  /** Place in the heap; -1 where it is in none. */
  index = -1;

  constructor(owner: Owner) {
    this.owner = owner;
  }
}

export class IndexedHeap<Owner> {
  readonly #entries: HeapEntry<Owner>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  peek(): HeapEntry<Owner> | undefined {
    return this.#entries[0];
  }

  /** Puts the entry in, or moves it to where its new key belongs. NaN belongs nowhere: what is below it would never come out. */
  set(entry: HeapEntry<Owner>, key: number): void {
    if (Number.isNaN(key)) throw new RangeError("a heap's key is NaN");
    if (entry.index < 0) {
      entry.index = this.#entries.length;
      entry.key = key;
      this.#entries.push(entry);
      this.#rise(entry);
      return;
    }
    const before = entry.key;
    entry.key = key;
    if (key < before) this.#rise(entry);
    else if (key > before) this.#sink(entry);
  }

  /** Nothing where it is in no heap. */
  remove(entry: HeapEntry<Owner>): void {
    const { index } = entry;
    if (index < 0) return;
    const last = this.#entries.pop()!;
    entry.index = -1;
    if (last === entry) return;
    this.#entries[index] = last;
    last.index = index;
    if (last.key < entry.key) this.#rise(last);
    else this.#sink(last);
  }

  #rise(entry: HeapEntry<Owner>): void {
    const entries = this.#entries;
    const { key } = entry;
    let { index } = entry;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = entries[above]!;
      if (parent.key <= key) break;
      entries[index] = parent;
      parent.index = index;
      index = above;
    }
    entries[index] = entry;
    entry.index = index;
  }

  #sink(entry: HeapEntry<Owner>): void {
    const entries = this.#entries;
    const { key } = entry;
    const { length } = entries;
    let { index } = entry;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= length) break;
      if (below + 1 < length && entries[below + 1]!.key < entries[below]!.key) below++;
      const child = entries[below]!;
      if (child.key >= key) break;
      entries[index] = child;
      child.index = index;
      index = below;
    }
    entries[index] = entry;
    entry.index = index;
  }
}
