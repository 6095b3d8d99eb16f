import { expect, test } from "vitest";
import { decimalText, durationText, groupedText, millisecondsText, percentText } from "./figures.ts";

test.each([
  [0, "0 µs"],
  [999.4, "999 µs"],
  [999.6, "1.00 ms"],
  [999_600, "1.00 s"],
  [42_000_000, "42.0 s"],
  [99_990_000, "1.67 min"],
  [1_234_000_000, "20.6 min"],
  [7_200_000_000, "2.00 h"],
  [2 * 86_400e6, "48.0 h"],
  [5 * 86_400e6, "5.00 d"],
  [2_000 * 86_400e6, "2000 d"],
])("%i µs are read as %s", (us, text) => {
  expect(durationText(us)).toBe(text);
});

test.each([
  [1.35, "0.001 ms"],
  [12, "0.012 ms"],
  [1_234, "1.23 ms"],
  [5_003_100, "5003 ms"],
])("%d µs among others are read as %s", (us, text) => {
  expect(millisecondsText(us)).toBe(text);
});

test("small parts are told to the tenth, great ones whole", () => {
  expect([0, 0.004, 0.0284, 0.5, 1, 12.3].map(percentText)).toEqual([
    "0 %",
    "0.4 %",
    "2.8 %",
    "50 %",
    "100 %",
    "1,230 %",
  ]);
  expect([1_234.5, 7, 0.012345].map(decimalText)).toEqual(["1235", "7", "0.0123"]);
  expect([1_234.5, 7, 0.012345].map(groupedText)).toEqual(["1,235", "7", "0.0123"]);
});
