// Functions whose starts have no node yet, served in turn: one start each. One whose instances fit nowhere is passed over while smaller ones
// do, but not for ever. And those whose starts ahead have none: no call waits for these, so another node is all that is done for them.

import type { Resources } from "../node/node.ts";
import type { FunctionPool } from "./function-pool.ts";

/** After being passed over so often nobody else is served until there is room. Chosen. */
const PASSED_OVER_MAX = 1_000;
/** Functions whose wants are added up. Chosen. */
const ADDED_UP_MAX = 256;

export class StarvedPools {
  /** A map keeps the order in which functions came; the value is how often one was passed over. */
  readonly #pools = new Map<FunctionPool, number>();
  readonly #ahead = new Set<FunctionPool>();

  get isEmpty(): boolean {
    return this.#pools.size === 0;
  }

  get size(): number {
    return this.#pools.size;
  }

  get first(): FunctionPool | null {
    return this.#pools.keys().next().value ?? null;
  }

  all(): Iterable<FunctionPool> {
    return this.#pools.keys();
  }

  add(pool: FunctionPool): void {
    if (!this.#pools.has(pool)) this.#pools.set(pool, 0);
  }

  remove(pool: FunctionPool): void {
    this.#pools.delete(pool);
  }

  /** Starts ahead of it have found no room. */
  addAhead(pool: FunctionPool): void {
    this.#ahead.add(pool);
  }

  /** All of them, which are forgotten. */
  takeAhead(): readonly FunctionPool[] {
    const pools = [...this.#ahead];
    this.#ahead.clear();
    return pools;
  }

  /** Nothing of it is wanted any more. */
  forget(pool: FunctionPool): void {
    this.#pools.delete(pool);
    this.#ahead.delete(pool);
  }

  /** Room has come: the largest first, which leaves the least (best fit decreasing). Those passed over too often stay in front. */
  largestFirst({ memoryMb, cpus }: Resources): void {
    const size = ({ need }: FunctionPool): number => Math.max(need.memoryMb / memoryMb, need.cpus / cpus);
    const ordered = [...this.#pools].toSorted(([one, passed], [other, passedOther]) =>
      passed >= PASSED_OVER_MAX || passedOther >= PASSED_OVER_MAX ? passedOther - passed : size(other) - size(one),
    );
    this.#pools.clear();
    for (const [pool, passed] of ordered) this.#pools.set(pool, passed);
  }

  /** One start of it has found a node: the others come first. */
  placed(pool: FunctionPool): void {
    if (this.#pools.delete(pool) && pool.unplaced > 0) this.#pools.set(pool, 0);
  }

  /** It fits nowhere. True: nobody else is to be served before it. */
  passedOver(pool: FunctionPool): boolean {
    const times = this.#pools.get(pool) ?? 0;
    if (times >= PASSED_OVER_MAX) return true;
    this.#pools.delete(pool);
    this.#pools.set(pool, times + 1);
    return false;
  }

  /** How many more nodes of that size their starts would fill, those ahead that are still wanted included. */
  nodesWanted({ memoryMb, cpus }: Resources, now: number): number {
    let [memory, cpu, looked] = [0, 0, 0];
    const add = ({ need }: FunctionPool, starts: number): boolean => {
      memory += need.memoryMb * starts;
      cpu += need.cpus * starts;
      return ++looked < ADDED_UP_MAX;
    };
    for (const pool of this.#pools.keys()) if (!add(pool, pool.unplaced)) break;
    for (const pool of this.#ahead) {
      const starts = pool.lackingAhead(now);
      if (starts === 0) this.#ahead.delete(pool);
      else if (!add(pool, starts)) break;
    }
    return Math.ceil(Math.max(memory / memoryMb, cpu / cpus));
  }
}
