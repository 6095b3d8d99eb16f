// The values that `access` reads: of 100 bytes, each beginning with the key of another one, so that they form one ring in
// random order. Whoever follows it cannot read a value before it has the one before.

import { seededRandom } from "#runtime/seeded-random.ts";

/** So many that a step rarely finds the next value in a core's own cache by luck; 10,000 of them are about 2 MB in Redis. */
const RING_LENGTH = 10_000;
export const VALUE_BYTES = 100;
/** Short enough that cutting it off copies a few bytes, in JavaScript as in Lua. */
export const KEY_LENGTH = 12;

/** `[key, value, key, value, …]`, as MSET takes them. */
export function ringEntries(seed: number): string[] {
  const order = ringOrder(seed);
  return order.flatMap((index, place) => {
    const next = order[(place + 1) % order.length] ?? 0;
    return [keyOf(index), keyOf(next).padEnd(VALUE_BYTES, "-")];
  });
}

/** The key that a walk of so many steps ends at, from the first key on. */
export function ringEnd(seed: number, steps: number): string {
  const order = ringOrder(seed);
  return keyOf(order[(order.indexOf(0) + steps) % order.length] ?? 0);
}

export const keyOf = (index: number): string => `get:${String(index).padStart(KEY_LENGTH - "get:".length, "0")}`;

/** All indexes in random order (Fisher and Yates). */
function ringOrder(seed: number): readonly number[] {
  const random = seededRandom(seed);
  const order = Array.from({ length: RING_LENGTH }, (_, index) => index);
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
