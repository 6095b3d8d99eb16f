import * as fc from "fast-check";
import { expect, it } from "vitest";
import { encodeFrame, FrameReader, HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX } from "./frame.ts";
import { fromAgent } from "./messages.ts";

const lengths = (header: number, payload: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(header, 0);
  bytes.writeUInt32BE(payload, 4);
  return bytes;
};

it("reads what was written, however the stream is cut", () => {
  const frame = fc.record({
    header: fc.dictionary(fc.string(), fc.jsonValue()),
    payload: fc.uint8Array({ maxLength: 500 }),
  });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 5 }),
      fc.array(fc.nat({ max: 2_000 }), { maxLength: 20 }),
      (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(({ header, payload }) => encodeFrame(header, payload)));
        const reader = new FrameReader();
        const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length];
        const read = ends.flatMap((end, index) => [...reader.push(bytes.subarray(ends[index - 1] ?? 0, end))]);
        expect(read.map(({ header }) => header)).toEqual(
          frames.map(({ header }) => JSON.parse(JSON.stringify(header)) as unknown),
        );
        expect(read.map(({ payload }) => [...payload])).toEqual(frames.map(({ payload }) => [...payload]));
      },
    ),
  );
});

it.each([
  ["header", lengths(HEADER_BYTES_MAX + 1, 0)],
  ["payload", lengths(2, PAYLOAD_BYTES_MAX + 1)],
])("refuses a %s that is too large before it comes", (_part, bytes) => {
  expect(() => [...new FrameReader().push(bytes)]).toThrow(RangeError);
});

it("writes no frame that it would not read", () => {
  expect(() => encodeFrame({}, Buffer.alloc(PAYLOAD_BYTES_MAX + 1))).toThrow(RangeError);
});

it("throws at a header that is no JSON, and makes a message of no other", () => {
  expect(() => [...new FrameReader().push(Buffer.concat([lengths(1, 0), Buffer.from("{")]))]).toThrow(SyntaxError);
  fc.assert(
    fc.property(fc.anything(), fc.constantFrom("loaded", "refused", "result", "failure", "other"), (rest, kind) => {
      const header: unknown = typeof rest === "object" && rest !== null ? { ...rest, kind } : rest;
      const message = fromAgent({ header, payload: Buffer.alloc(0) });
      const texts = message !== null && "message" in message ? [message.message] : [];
      const numbers = message !== null && "usage" in message ? Object.values(message.usage) : [];
      expect([...texts.map((text) => typeof text === "string"), ...numbers.map(Number.isFinite)]).not.toContain(false);
    }),
  );
});
