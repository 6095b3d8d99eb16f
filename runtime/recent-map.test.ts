import { expect, test, vi } from "vitest";

import { RecentMap } from "./recent-map.ts";

test("the least recently used quarter makes room", () => {
  const onLeftOut = vi.fn<(value: string, key: string) => void>();
  const map = new RecentMap<string>(8, onLeftOut);
  const use = (key: string): string => map.use(key, () => key.toUpperCase());
  for (const key of "abcdefgh") use(key);
  use("a");
  expect(use("i")).toBe("I");
  expect([...map.entries()].map(([key]) => key).join("")).toBe("adefghi");
  expect(onLeftOut.mock.calls).toEqual([
    ["B", "b"],
    ["C", "c"],
  ]);
});

test("an entry is made once while it is there", () => {
  const map = new RecentMap<object>(1);
  const first = map.use("a", () => ({}));
  expect(map.use("a", () => ({}))).toBe(first);
  map.use("b", () => ({}));
  expect(map.size).toBe(1);
  expect(map.use("a", () => ({}))).not.toBe(first);
});
