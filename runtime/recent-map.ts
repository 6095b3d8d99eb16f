// A map that keeps what was used last. At its bound the least recently used quarter makes room, so that one more entry
// costs a few comparisons on average.

const PART_LEFT_OUT = 0.25;

interface Entry<Value> {
  readonly value: Value;
  /** Number of the use. */
  usedAt: number;
}

export class RecentMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #sizeMax: number;
  readonly #onLeftOut: (value: Value, key: string) => void;
  #uses = 0;

  constructor(sizeMax: number, onLeftOut: (value: Value, key: string) => void = () => {}) {
    this.#sizeMax = sizeMax;
    this.#onLeftOut = onLeftOut;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Makes the entry if there is none. */
  use(key: string, make: () => Value): Value {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      if (this.#entries.size >= this.#sizeMax) this.#makeRoom();
      entry = { value: make(), usedAt: 0 };
      this.#entries.set(key, entry);
    }
    entry.usedAt = this.#uses += 1;
    return entry.value;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  *entries(): Generator<[string, Value]> {
    for (const [key, { value }] of this.#entries) yield [key, value];
  }

  #makeRoom(): void {
    const uses = Float64Array.from(this.#entries.values(), ({ usedAt }) => usedAt).toSorted();
    const lastLeftOut = uses[Math.max(0, Math.floor(PART_LEFT_OUT * uses.length) - 1)]!;
    for (const [key, { value, usedAt }] of this.#entries) {
      if (usedAt > lastLeftOut) continue;
      this.#entries.delete(key);
      this.#onLeftOut(value, key);
    }
  }
}
