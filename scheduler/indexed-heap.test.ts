import { assert, integer, property, array, record } from "fast-check";
import { expect, test } from "vitest";

import { HeapEntry, IndexedHeap } from "./indexed-heap.ts";

test("after any puts, moves and removals, entries come out in the order of their keys", () => {
  const step = record({ entry: integer({ min: 0, max: 19 }), key: integer({ min: -1, max: 50 }) });
  assert(
    property(array(step, { maxLength: 200, size: "max" }), (steps) => {
      const heap = new IndexedHeap<number>();
      const entries = Array.from({ length: 20 }, (_, index) => new HeapEntry(index));
      const keys = new Map<number, number>();
      for (const { entry, key } of steps) {
        if (key < 0) {
          heap.remove(entries[entry]!);
          keys.delete(entry);
        } else {
          heap.set(entries[entry]!, key);
          keys.set(entry, key);
        }
      }
      const out: number[] = [];
      for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
        expect(top.key).toBe(keys.get(top.owner));
        out.push(top.key);
        heap.remove(top);
      }
      expect(out).toEqual([...keys.values()].toSorted((a, b) => a - b));
    }),
  );
});

test("a key that has no order is refused, and the entry stays where it is", () => {
  const heap = new IndexedHeap<string>();
  const [one, other] = [new HeapEntry("one"), new HeapEntry("other")];
  heap.set(one, 1);
  for (const entry of [one, other]) expect(() => heap.set(entry, NaN)).toThrow(RangeError);
  expect([heap.size, heap.peek()?.key, other.index]).toEqual([1, 1, -1]);
  heap.set(other, -Infinity);
  expect(heap.peek()).toBe(other);
});
