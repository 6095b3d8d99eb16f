import { expect, test } from "vitest";
import { Schedule, type Part } from "./schedule.ts";

const partOf = (name: string, weight: number, calls = 1): Part => ({
  function: name,
  weight,
  calls: Array.from({ length: calls }, (_, index) => ({ argsJson: String(index), keys: [] })),
  works: null,
});

const names = (schedule: Schedule, calls: number): string =>
  Array.from({ length: calls }, () => schedule.next().function).join("");

test("each part has its weight's share of the calls, spread evenly", () => {
  expect(names(new Schedule([partOf("a", 3), partOf("b", 1)]), 8)).toBe("aabaaaba");
  const many = names(new Schedule([partOf("a", 0.2), partOf("b", 0.03)]), 2_300);
  expect(many.split("b")).toHaveLength(300 + 1);
});

test("numbers the calls of a part that are counted", () => {
  const calls = ["a", "b"].map((nodeId) => ({ argsJson: JSON.stringify({ nodeId }), keys: ["other"] }));
  const schedule = new Schedule([{ function: "f", weight: 1, calls, works: null, countedIn: "counts" }]);
  const made = Array.from({ length: 3 }, () => schedule.next());
  expect(made.map(({ number }) => number)).toEqual([0, 1, 2]);
  expect(made.map(({ call }) => JSON.parse(call.argsJson))).toEqual([
    { call: 0, nodeId: "a" },
    { call: 1, nodeId: "b" },
    { call: 2, nodeId: "a" },
  ]);
  expect(new Set(made.flatMap(({ call }) => call.keys))).toEqual(new Set(["counts"]));
});

test("goes through the calls of a part in turn, and on when the weights change", () => {
  const schedule = new Schedule([partOf("a", 1, 3)]);
  const next = () => schedule.next().call.argsJson;
  expect([next(), next()]).toEqual(["0", "1"]);
  schedule.follow([partOf("a", 2, 3)]);
  expect([next(), next()]).toEqual(["2", "0"]);
});
