// The frames between a driver and the agent in an instance, over the agent's standard input and output: the lengths of a header and of a
// payload (four bytes each, big-endian), the header as JSON, the payload as it is. docs/drivers.md has the messages.

import { RESULT_BYTES_MAX } from "#runtime/function/description.ts";

/** Keys may be a megabyte, and JSON may need six bytes for one of theirs. */
export const HEADER_BYTES_MAX = 8 * 1024 * 1024;
/** The largest is a result. */
export const PAYLOAD_BYTES_MAX = RESULT_BYTES_MAX;
const LENGTHS_BYTES = 8;

export interface Frame {
  readonly header: unknown;
  readonly payload: Buffer;
}

const NOTHING = Buffer.alloc(0);

export function encodeFrame(header: object, payload: Uint8Array = NOTHING): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  if (json.length > HEADER_BYTES_MAX || payload.length > PAYLOAD_BYTES_MAX) {
    throw new RangeError(`a frame with a header of ${json.length} bytes and a payload of ${payload.length}`);
  }
  const lengths = Buffer.alloc(LENGTHS_BYTES);
  lengths.writeUInt32BE(json.length, 0);
  lengths.writeUInt32BE(payload.length, 4);
  return Buffer.concat([lengths, json, payload]);
}

/** Cuts a stream of bytes into frames. What it holds is bounded by one frame and one piece of the stream. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Of the frame under way, its lengths included; LENGTHS_BYTES until these are there. */
  #wanted = LENGTHS_BYTES;

  /** The frames that end in these bytes. Throws where they are none: nothing that follows can be trusted. */
  *push(piece: Buffer): Generator<Frame, void> {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    while (this.#bytes >= this.#wanted) {
      const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
      const [headerBytes, payloadBytes] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4)];
      if (headerBytes > HEADER_BYTES_MAX || payloadBytes > PAYLOAD_BYTES_MAX) {
        throw new RangeError(`a frame with a header of ${headerBytes} bytes and a payload of ${payloadBytes}`);
      }
      const end = LENGTHS_BYTES + headerBytes + payloadBytes;
      if (bytes.length < end) {
        this.#pieces = [bytes];
        this.#wanted = end;
        return;
      }
      this.#pieces = bytes.length > end ? [bytes.subarray(end)] : [];
      this.#bytes = bytes.length - end;
      this.#wanted = LENGTHS_BYTES;
      const headerEnd = LENGTHS_BYTES + headerBytes;
      const header = JSON.parse(bytes.toString("utf8", LENGTHS_BYTES, headerEnd)) as unknown;
      yield { header, payload: bytes.subarray(headerEnd, end) };
    }
  }
}
