// Lines of newline-delimited JSON out of chunks of bytes, as they come from a socket: a line or a character may be cut
// anywhere. Bounded: a line that is too long is told as one and its bytes are not kept.

import { isUtf8 } from "node:buffer";

import { withoutByteOrderMark } from "../byte-order-mark.ts";

export type Line = { readonly text: string } | { readonly fault: string };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class LineSplitter {
  readonly #lineBytesMax: number;
  /** The beginning of the line that is not complete yet. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The lines that `chunk` completes, without empty ones. */
  push(chunk: Buffer): readonly Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      this.#takeLine(lines);
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return lines;
  }

  /** The last line, where it does not end in a newline. */
  end(): readonly Line[] {
    const lines: Line[] = [];
    this.#takeLine(lines);
    return lines;
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieceBytes += piece.length;
    if (this.#pieceBytes <= this.#lineBytesMax) this.#pieces.push(piece);
    else this.#pieces = [];
  }

  #takeLine(lines: Line[]): void {
    const bytes = this.#pieceBytes;
    const [only] = this.#pieces;
    const line = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pieceBytes = 0;
    if (bytes > this.#lineBytesMax) lines.push({ fault: `has ${bytes} bytes, ${this.#lineBytesMax} are allowed` });
    else if (!isUtf8(line)) lines.push({ fault: `of ${bytes} bytes is no UTF-8` });
    else {
      const end = line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length;
      const text = withoutByteOrderMark(line.toString("utf8", 0, end));
      if (text.trim() !== "") lines.push({ text });
    }
  }
}
