import { expect, test } from "vitest";

import { Fleet } from "./fleet.ts";

const node = (id: string, memoryMb: number, cpus: number) => ({ id, address: "", port: 0, memoryMb, cpus });

test("an instance goes where what is left is the most even, so that no resource is left alone", () => {
  const fleet = new Fleet();
  fleet.add(node("even", 1_000, 10));
  const muchMemory = fleet.add(node("much memory", 1_000, 5));
  expect(fleet.place(500, 1, false)).toBe(muchMemory);
});

test("a node is found where there is one with room, and none where there is none", () => {
  const fleet = new Fleet();
  for (let index = 0; index < 500; index++) fleet.add(node(`small${index}`, 100, 1));
  const large = fleet.add(node("large", 1_000, 1));
  expect(fleet.place(1_000, 1, false)).toBe(large);
  expect(fleet.place(1_001, 1, false)).toBeNull();
  expect(fleet.place(1, 1.5, false)).toBeNull();
});

test("a node that drains, or is removed, is found no more", () => {
  const fleet = new Fleet();
  const [one, other] = [fleet.add(node("one", 100, 1)), fleet.add(node("other", 100, 1))];
  one.draining = true;
  fleet.changed(one);
  expect(fleet.place(1, 0, false)).toBe(other);
  fleet.remove(other);
  expect(fleet.place(1, 0, false)).toBeNull();
});
