import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { LineSplitter, type Line } from "./ndjson.ts";

const LINE_BYTES_MAX = 100;

/** The lines of `bytes` when it arrives cut at the given places. */
const split = (bytes: Buffer, cuts: readonly number[] = []): readonly Line[] => {
  const splitter = new LineSplitter(LINE_BYTES_MAX);
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  const chunks = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
};

const tooLong = (bytes: number): Line => ({ fault: `has ${bytes} bytes, 100 are allowed` });
const texts = (text: string): readonly Line[] => split(Buffer.from(text));

describe("LineSplitter", () => {
  it("gives the same lines wherever the bytes are cut", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 20 }).map((line) => line.replaceAll(/[\r\n]/g, " "));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 10 }), fc.array(fc.nat(), { maxLength: 30 }), (lines, cuts) => {
        const expected = lines.filter((line) => line.trim() !== "").map((line) => ({ text: line }));
        const fitting = expected.map((line) =>
          Buffer.byteLength(line.text) > LINE_BYTES_MAX ? tooLong(Buffer.byteLength(line.text)) : line,
        );
        expect(split(Buffer.from(lines.join("\n")), cuts)).toEqual(fitting);
      }),
    );
  });

  it("takes a last line without a newline, lines that end in CR LF, and skips empty ones", () => {
    expect(texts('1\r\n\n  \n{"a":2}')).toEqual([{ text: "1" }, { text: '{"a":2}' }]);
    expect(texts("")).toEqual([]);
  });

  it("tells a line that is too long as one, and reads on behind it", () => {
    const long = "x".repeat(LINE_BYTES_MAX + 1);
    expect(texts(`1\n${long}\n2`)).toEqual([{ text: "1" }, tooLong(101), { text: "2" }]);
    expect(split(Buffer.from(`${long}${long}${long}\n2\n`), [50, 150, 250])).toEqual([tooLong(303), { text: "2" }]);
  });

  it("gives for any bytes the same lines wherever they are cut, none of them longer than allowed", () => {
    const byte = fc.oneof(fc.constantFrom(0x0a, 0x0d, 0x20, 0x22, 0x7b, 0xc3), fc.nat(255));
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 300 }), fc.array(fc.nat(), { maxLength: 30 }), (values, cuts) => {
        const bytes = Buffer.from(values);
        const lines = split(bytes, cuts);
        expect(lines).toEqual(split(bytes));
        for (const line of lines)
          expect(Buffer.byteLength("text" in line ? line.text : "")).toBeLessThanOrEqual(LINE_BYTES_MAX);
      }),
    );
  });

  it("tells a line that is no UTF-8, and reads on behind it", () => {
    const bytes = Buffer.concat([Buffer.from([0x22, 0xc3, 0x28, 0x22, 0x0a]), Buffer.from("2")]);
    expect(split(bytes)).toEqual([{ fault: "of 4 bytes is no UTF-8" }, { text: "2" }]);
  });
});
