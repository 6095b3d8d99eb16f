// Replies of the memory channel, written as RESP3 the way that Redis 7 writes them.

import { ReplyError } from "../reply-value.ts";

/** Text of one byte per character (latin1): what keys, values and replies are here, whatever bytes they hold. */
export type Bytes = string;

/** A status reply ("+OK"). */
export class Status {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A double reply (",1.5"). */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export const OK = new Status("OK");

/** Text is a bulk string, a number an integer, null a nil, a list an array; a set a set, a map a map. */
export type MemoryReply =
  | Bytes
  | number
  | bigint
  | null
  | Status
  | Double
  | ReplyError
  | ReadonlySet<Bytes>
  | ReadonlyMap<Bytes, Bytes>
  | readonly MemoryReply[];

export function writeReply(reply: MemoryReply): Bytes {
  if (reply === null) return "_\r\n";
  if (typeof reply === "string") return `$${reply.length}\r\n${reply}\r\n`;
  if (typeof reply === "number" || typeof reply === "bigint") return `:${reply}\r\n`;
  if (reply instanceof Status) return `+${reply.text}\r\n`;
  if (reply instanceof Double) return `,${doubleText(reply.value)}\r\n`;
  if (reply instanceof ReplyError) return `-${reply.message.replaceAll(/[\r\n]/g, " ")}\r\n`;
  if (reply instanceof Map) return `%${reply.size}\r\n${[...reply].flat().map(writeReply).join("")}`;
  const items = [...(reply as Iterable<MemoryReply>)];
  return `${reply instanceof Set ? "~" : "*"}${items.length}\r\n${items.map(writeReply).join("")}`;
}

/** C's "%.17g", which tells every double from every other. */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [digits = "", exponent = "0"] = value.toExponential(16).split("e");
  const sign = Object.is(value, -0) ? "-" : "";
  const power = Number(exponent);
  if (power >= -4 && power < 17) return sign + trimZeros(value.toFixed(16 - power));
  const padded = String(Math.abs(power)).padStart(2, "0");
  return `${trimZeros(digits)}e${power < 0 ? "-" : "+"}${padded}`;
}

const trimZeros = (decimal: string): string => (decimal.includes(".") ? decimal.replace(/\.?0+$/, "") : decimal);
