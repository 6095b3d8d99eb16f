import { expect, test } from "vitest";

import { Fleet } from "./fleet.ts";

const node = (id: string, memoryMb: number, cpus: number) => ({ id, address: "", port: 0, memoryMb, cpus });

test("of nodes as full an instance goes where what is left is the most even, so that no resource is left alone", () => {
  const fleet = new Fleet(false);
  fleet.add(node("even", 1_000, 10));
  const muchMemory = fleet.add(node("much memory", 1_000, 5));
  expect(fleet.place(500, 1, false)).toBe(muchMemory);
});

test("an instance goes where something is, though what is left there is less even than on an empty node", () => {
  const fleet = new Fleet(false);
  const [used] = [fleet.add(node("used", 1_000, 10)), fleet.add(node("empty", 1_000, 10))];
  used.add({ memoryMb: 700, cpus: 1, isCpuHeavy: false });
  fleet.changed(used);
  expect(fleet.place(250, 2.5, false)).toBe(used);
});

test("a node is found where there is one with room, and none where there is none", () => {
  const fleet = new Fleet(false);
  for (let index = 0; index < 500; index++) fleet.add(node(`small${index}`, 100, 1));
  const large = fleet.add(node("large", 1_000, 1));
  expect(fleet.place(1_000, 1, false)).toBe(large);
  expect(fleet.place(1_001, 1, false)).toBeNull();
  expect(fleet.place(1, 1.5, false)).toBeNull();
});

test("a node that drains, or is removed, is found no more", () => {
  const fleet = new Fleet(false);
  const [one, other] = [fleet.add(node("one", 100, 1)), fleet.add(node("other", 100, 1))];
  one.draining = true;
  fleet.changed(one);
  expect(fleet.place(1, 0, false)).toBe(other);
  fleet.remove(other);
  expect(fleet.place(1, 0, false)).toBeNull();
});

test("an instance that is heavy on the CPU goes where none of its kind is, though it fits worse there", () => {
  const fleet = new Fleet(false);
  const [shared, other] = [fleet.add(node("shared", 1_000, 4)), fleet.add(node("other", 2_000, 4))];
  shared.add({ memoryMb: 250, cpus: 1, isCpuHeavy: true });
  fleet.changed(shared);
  expect(fleet.place(500, 2, false)).toBe(shared);
  expect(fleet.place(500, 2, true)).toBe(other);
});

test.each([
  ["placed", (fleet: Fleet) => fleet.place(10, 0.5, true)],
  ["spread", (fleet: Fleet) => fleet.leastHeavy(10, 0.5, null, () => true)],
])(
  "instances that are heavy on the CPU and are %s have as large a part of each node's, whatever its size",
  (_what, placeIn) => {
    const fleet = new Fleet(false);
    const nodes = [fleet.add(node("small", 10_000, 2)), fleet.add(node("large", 10_000, 8))];
    for (let count = 0; count < 5; count++) {
      const best = placeIn(fleet)!;
      best.add({ memoryMb: 10, cpus: 0.5, isCpuHeavy: true });
      fleet.changed(best);
    }
    expect(nodes.map(({ heavyCpus }) => heavyCpus)).toEqual([0.5, 2]);
  },
);

test("where some nodes are kept empty, they come after all that have room", () => {
  for (const isCpuHeavy of [false, true]) {
    const fleet = new Fleet(true);
    const [first] = [fleet.add(node("first", 1_000, 10)), fleet.add(node("empty", 1_000, 10))];
    expect(fleet.emptyNodes).toBe(2);
    first.add({ memoryMb: 10, cpus: 4, isCpuHeavy: true });
    fleet.changed(first);
    expect([fleet.emptyNodes, fleet.place(10, 4, isCpuHeavy)?.id]).toEqual([1, "first"]);
    expect(fleet.place(10, 8, isCpuHeavy)?.id).toBe("empty");
  }
});
