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
