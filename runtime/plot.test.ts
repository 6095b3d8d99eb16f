import { expect, test } from "vitest";
import { barPlotSvg, linePlotSvg } from "./plot.ts";

const attributes = (svg: string, pattern: RegExp): string[] => [...svg.matchAll(pattern)].map(([, value]) => value!);

test("bars are as high as their values, in groups, with their figures", () => {
  const svg = barPlotSvg({
    title: "a < b",
    unit: "calls/s",
    groups: [
      { name: "one", bars: { x: 100, y: 50 } },
      { name: "two", bars: { x: 25, y: 0 } },
      { name: "three", bars: { x: Number.NaN, y: 50 } },
    ],
  });
  expect(svg).toContain("a &lt; b");
  const heights = attributes(svg, /<rect x="[^"]+" y="[^"]+" width="[^"]+" height="([^"]+)"[^/]*><title>/g).map(Number);
  expect(heights.map((height) => height / heights[0]!)).toEqual([1, 0.5, 0.25, 0, 0.5]);
  expect(svg).toContain("<title>one, y: 50 calls/s</title>");
});

test("a line goes from the left to the right, upwards where it grows", () => {
  const points = [
    [10, 0],
    [20, 5],
    [30, 10],
  ] as const;
  const svg = linePlotSvg({ title: "t", xUnit: "s", yUnit: "calls/s", lines: { a: points }, marks: [20] });
  expect(svg).toContain('d="M70 310L505 185L940 60"');
  expect(svg).toContain('d="M505 60V310" stroke="#bbb"');
});

test("what has no value or no extent is drawn all the same", () => {
  expect(linePlotSvg({ title: "", xUnit: "", yUnit: "", lines: { a: [[1, 0]] } })).not.toContain("NaN");
  expect(barPlotSvg({ title: "", unit: "", groups: [{ name: "g", bars: { a: 0 } }] })).not.toContain("NaN");
});
