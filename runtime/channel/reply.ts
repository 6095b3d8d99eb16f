// Reads replies: RESP2 and RESP3 bytes to the values that a function sees. These are the values of ioredis 6 with
// protocol 3, `replyMapping: "legacy"` and its reply transformers; a test compares with ioredis itself. The C++ decoder
// of the sandbox is held to the same golden bytes (`golden-replies.json`).

import { LocusError } from "#runtime/errors.ts";
import type { ReplyShape } from "./command-rule.ts";
import { ReplyError, shapeReply, textOf, type ReplyValue } from "./reply-value.ts";

export interface DecodeOptions {
  readonly shape: ReplyShape;
  /** Whether text comes as bytes: the `…Buffer` forms. */
  readonly binary: boolean;
}

/** A value and where the next reply begins. */
export interface DecodedReply {
  readonly value: ReplyValue;
  readonly end: number;
}

/** Aggregates inside one another, at most. Chosen: Redis' deepest reply (XINFO STREAM FULL) has seven. */
const REPLY_DEPTH_MAX = 64;
/** Items of one aggregate, at most; a map's entry is two. Chosen: more than Redis' own bound on a command's arguments. */
const REPLY_ITEMS_MAX = 2 ** 32 - 1;
/** Bytes of one string, at most: Redis' own default (proto-max-bulk-len). */
const REPLY_STRING_BYTES_MAX = 512 * 1024 * 1024;
/** Bytes of one line (simple strings and errors, numbers, lengths), at most. Chosen: Redis' longest are a few hundred. */
const REPLY_LINE_BYTES_MAX = 64 * 1024;
/** Integers have 64 bits, so 19 digits at most. */
const INTEGER_PATTERN = /^[+-]?[0-9]{1,19}$/;
/** No reply is shorter ("_\r\n"), so an aggregate of n items is incomplete while fewer than 3 n bytes are there. */
const ITEM_BYTES_MIN = 3;

/** Thrown inside this file only, where the bytes end before the reply does. */
const INCOMPLETE = new Error("the bytes end before the reply does");

/**
 * Reads the reply that begins at `offset`, past any pushes before it and any attributes. `"incomplete"` where the bytes
 * end too early: call again with more. Throws INTERNAL where they are no RESP, or pass a bound above: then nothing that
 * follows can be trusted. Memory is bounded by the bytes that are there, whatever lengths they announce.
 */
export function decodeReply(bytes: Uint8Array, offset: number, options: DecodeOptions): DecodedReply | "incomplete" {
  const reader = new ReplyReader(bytes, offset, options.binary);
  try {
    const value = reader.readReply();
    if (options.shape === "object" && Array.isArray(value) && !value.every(isNameOrItem)) {
      throw malformed("a member's name that is no text");
    }
    return { value: shapeReply(value, options.shape), end: reader.at };
  } catch (error) {
    if (error === INCOMPLETE) return "incomplete";
    throw error;
  }
}

const PUSH = 0x3e;
const ATTRIBUTE = 0x7c;
const MINUS = 0x2d;
const COLON = 0x3a;
const CR = 0x0d;
const LF = 0x0a;

/** A cursor over the bytes. Its methods throw INCOMPLETE where they end. */
class ReplyReader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #binary: boolean;

  constructor(bytes: Uint8Array, offset: number, binary: boolean) {
    this.#bytes = bytes;
    this.at = offset;
    this.#binary = binary;
  }

  readReply(): ReplyValue {
    this.#skip(PUSH, 1, 0);
    return this.#readValue(0);
  }

  /** `depth`: aggregates around the value. */
  #readValue(depth: number): ReplyValue {
    this.#skip(ATTRIBUTE, 2, depth);
    const type = this.#bytes[this.at];
    if (type === undefined) throw INCOMPLETE;
    this.at += 1;
    switch (String.fromCharCode(type)) {
      case "+":
      case ",":
        return this.#text(this.#readLine());
      case "$":
        return this.#takeNil() ? null : this.#text(this.#readString());
      case "=":
        return this.#text(this.#readVerbatim());
      case "(":
        return textOf(this.#readLine());
      case ":":
        return this.#readInteger();
      case "#":
        return this.#readWord("t", "f") === "t" ? 1 : 0;
      case "_":
        this.#readWord("");
        return null;
      case "-":
        return new ReplyError(textOf(this.#readLine()));
      case "!":
        return new ReplyError(textOf(this.#readString()));
      case "*":
        return this.#takeNil() ? null : this.#readItems(1, depth);
      case "~":
        return this.#readItems(1, depth);
      case "%":
        return this.#readItems(2, depth);
      default:
        throw malformed(`a reply of type 0x${type.toString(16).padStart(2, "0")}`);
    }
  }

  /** Reads over aggregates of a type that says nothing about the reply. */
  #skip(type: number, itemsPerEntry: 1 | 2, depth: number): void {
    while (this.#bytes[this.at] === type) {
      this.at += 1;
      this.#readItems(itemsPerEntry, depth);
    }
  }

  #readItems(itemsPerEntry: 1 | 2, depth: number): ReplyValue[] {
    if (depth >= REPLY_DEPTH_MAX) throw malformed(`more than ${REPLY_DEPTH_MAX} aggregates inside one another`);
    const count = this.#readLength(REPLY_ITEMS_MAX / itemsPerEntry) * itemsPerEntry;
    if (count * ITEM_BYTES_MIN > this.#bytes.length - this.at) throw INCOMPLETE;
    // Not made with that length: sixty counts inside one another would each take room for what one of them may have.
    const items: ReplyValue[] = [];
    for (let item = 0; item < count; item += 1) items.push(this.#readValue(depth + 1));
    return items;
  }

  #readString(): Uint8Array {
    const length = this.#readLength(REPLY_STRING_BYTES_MAX);
    const end = this.at + length;
    if (end + 2 > this.#bytes.length) throw INCOMPLETE;
    if (this.#bytes[end] !== CR || this.#bytes[end + 1] !== LF) throw malformed("a string longer than it says");
    const string = this.#bytes.subarray(this.at, end);
    this.at = end + 2;
    return string;
  }

  /** Without the three letters that tell its format. */
  #readVerbatim(): Uint8Array {
    const string = this.#readString();
    if (string[3] !== COLON) throw malformed("a verbatim string without its format");
    return string.subarray(4);
  }

  /** The nearest double, and so exact for every safe integer; ioredis 6.0 misses that by one or two from 2^53 - 57 on. */
  #readInteger(): number {
    const line = textOf(this.#readLine());
    const isInteger =
      INTEGER_PATTERN.test(line) && (line.length < 19 || BigInt.asIntN(64, BigInt(line)) === BigInt(line));
    if (!isInteger) throw malformed(`an integer of "${line}"`);
    return Number(line);
  }

  #readLength(max: number): number {
    const line = textOf(this.#readLine());
    if (!/^[0-9]{1,10}$/.test(line) || Number(line) > max) throw malformed(`a length of "${line}"`);
    return Number(line);
  }

  /** RESP2's nil: -1 for a length. */
  #takeNil(): boolean {
    if (this.#bytes[this.at] !== MINUS) return false;
    this.#readWord("-1");
    return true;
  }

  #readWord(...allowed: string[]): string {
    const line = textOf(this.#readLine());
    if (!allowed.includes(line)) throw malformed(`"${line}" instead of "${allowed.join('" or "')}"`);
    return line;
  }

  #readLine(): Uint8Array {
    const window = this.#bytes.subarray(this.at, this.at + REPLY_LINE_BYTES_MAX + 2);
    const end = window.indexOf(CR);
    const length = end < 0 ? window.length : end;
    if (length > REPLY_LINE_BYTES_MAX) throw malformed(`a line of more than ${REPLY_LINE_BYTES_MAX} bytes`);
    if (length + 1 >= window.length) throw INCOMPLETE;
    if (window[end + 1] !== LF) throw malformed("a line with a lone CR");
    this.at += end + 2;
    return window.subarray(0, end);
  }

  /** Bytes are copied: a value must not keep a whole round of replies alive. */
  #text(bytes: Uint8Array): string | Uint8Array {
    return this.#binary ? new Uint8Array(bytes) : textOf(bytes);
  }
}

/** Of an aggregate that is to be an object: names stand at even places. */
const isNameOrItem = (item: ReplyValue, place: number): boolean =>
  place % 2 === 1 || typeof item === "string" || item instanceof Uint8Array;

const malformed = (what: string): LocusError =>
  new LocusError("INTERNAL", `Redis answered with bytes that are no RESP: ${what.slice(0, 80)}`);
