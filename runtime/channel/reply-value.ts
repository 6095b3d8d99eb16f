// What a reply becomes, and how the table's reply shapes rearrange it, after ioredis' reply transformers.

import type { ReplyShape } from "./command-rule.ts";

/** An error reply with Redis' text. At the top level the operation rejects with it; inside a list it is an item. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** Text (bytes in the `…Buffer` forms), integers, nil, lists, and an object where the shape asks for one. */
export type ReplyValue =
  | string
  | number
  | null
  | Uint8Array
  | ReplyError
  | ReplyValue[]
  | { readonly [field: string]: ReplyValue };

/** The value in the shape of its command; what is no list (nil, an error) stays as it is. */
export function shapeReply(value: ReplyValue, shape: ReplyShape): ReplyValue {
  if (!Array.isArray(value)) return value;
  switch (shape) {
    case "plain":
      break;
    case "object":
      return Object.fromEntries(inTwos(value).map(([field, item = null]) => [fieldName(field), item]));
    case "pairs":
      return value.flat();
    case "streams":
      return inTwos(value);
  }
  return value;
}

const inTwos = (items: readonly ReplyValue[]): ReplyValue[][] =>
  Array.from({ length: Math.ceil(items.length / 2) }, (_, pair) => items.slice(2 * pair, 2 * pair + 2));

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** As text; what is no UTF-8 becomes U+FFFD, as everywhere in JavaScript. */
export const textOf = (bytes: Uint8Array): string => utf8.decode(bytes);

const fieldName = (field: ReplyValue | undefined): string =>
  field instanceof Uint8Array ? textOf(field) : (field as string);
