import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Readable } from "node:stream";
import { printableLine } from "./agent/line-break.ts";
import { LINE_LENGTH_MAX, PrintedLines, tellLines } from "./printed-lines.ts";

const printed = () => {
  const told: string[] = [];
  return { told, lines: new PrintedLines((line) => void told.push(line)) };
};

test("lines are told as they were printed, but for what is too long, however they come", () => {
  const lengths = fc.array(fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 2 * LINE_LENGTH_MAX })), {
    minLength: 1,
    maxLength: 6,
  });
  const cuts = fc.array(fc.nat({ max: 8 * LINE_LENGTH_MAX }), { maxLength: 20 });
  fc.assert(
    fc.property(lengths, fc.constantFrom("\n", "\r\n"), cuts, fc.boolean(), (sizes, newline, places, endsLine) => {
      const whole = sizes.map((size, index) => String(index % 10).repeat(size));
      const text = whole.join(newline) + (endsLine ? newline : "");
      const { told, lines } = printed();
      const ends = [...places.map((place) => Math.min(place, text.length)).toSorted((a, b) => a - b), text.length];
      for (const [index, end] of ends.entries()) lines.push(text.slice(ends[index - 1] ?? 0, end));
      lines.end();
      // A last line without an end that has nothing in it is none.
      const expected = endsLine || whole.at(-1) !== "" ? whole : whole.slice(0, -1);
      expect(told).toEqual((text === "" ? [] : expected).map((line) => line.slice(0, LINE_LENGTH_MAX)));
    }),
  );
});

test("a line that never ends is told once, when it is too long, and the next one whole", () => {
  const { told, lines } = printed();
  lines.push("x".repeat(LINE_LENGTH_MAX));
  expect(told).toEqual([]);
  for (let pieces = 0; pieces < 100; pieces++) lines.push("x".repeat(1_000));
  expect(told).toEqual(["x".repeat(LINE_LENGTH_MAX)]);
  lines.push("x\nnext\n");
  expect(told.slice(1)).toEqual(["next"]);
});

test("a line of a function's log comes as one, with its breaks", async () => {
  const told: string[] = [];
  const stream = Readable.from([printableLine("paid\nerror: refused"), "printed\n", printableLine("last")]);
  tellLines(stream, (line) => told.push(line));
  await new Promise((resolve) => stream.on("close", resolve));
  expect(told).toEqual(["paid\nerror: refused", "printed", "last"]);
});
