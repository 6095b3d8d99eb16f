import { expect, test } from "vitest";
import { KEY_LENGTH, keyOf, ringEnd, ringEntries, VALUE_BYTES } from "./values.ts";

test("the values form one ring, and a walk ends where it is said to", () => {
  const entries = ringEntries(7);
  const values = new Map(Array.from({ length: entries.length / 2 }, (_, at) => [entries[2 * at], entries[2 * at + 1]]));
  const walked = new Set<string>();
  let key = keyOf(0);
  for (; !walked.has(key); key = values.get(key)?.slice(0, KEY_LENGTH) ?? "") {
    walked.add(key);
    expect(ringEnd(7, walked.size - 1)).toBe(key);
    if (walked.size > 100) break; // the rest is counted below
  }
  expect(values.size).toBe(10_000);
  expect(new Set([...values.values()].map((value) => value?.slice(0, KEY_LENGTH))).size).toBe(10_000);
  expect(ringEnd(7, 10_000)).toBe(keyOf(0));
  expect(new Set([...values.values()].map((value) => value?.length))).toEqual(new Set([VALUE_BYTES]));
});
