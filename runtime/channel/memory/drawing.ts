// Members drawn at random: HRANDFIELD, SRANDMEMBER, ZRANDMEMBER.

import { ReplyError } from "../reply-value.ts";
import { at, integer, syntaxError, type MemoryCall } from "./arguments.ts";
import type { Bytes, MemoryReply } from "./reply-writing.ts";

const COUNT_MAX = 2n ** 63n - 1n;
/** With values the reply has twice as many. */
const PAIRS_MAX = COUNT_MAX / 2n;
/** With repetitions; Redis goes on until its memory ends. */
const REPEATED_MAX = 1_000_000n;

/** One of them; null where there is none. */
export const drawOne = <Item>(items: readonly Item[], random: () => number): Item | null =>
  items[Math.floor(random() * items.length)] ?? null;

/** As many as there are, at most; each once, in the order in which they come. */
export function drawSeveral<Item>(items: readonly Item[], count: number, random: () => number): readonly Item[] {
  if (count >= items.length) return items;
  const left = [...items];
  return Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)).flat();
}

/**
 * `KEY [COUNT [withWord]]` over what `read` finds. `pairOf` tells a member with its value, for `withWord`; where that is null,
 * there is no such word.
 */
export function drawn<Item extends readonly [name: Bytes, ...rest: unknown[]]>(
  call: MemoryCall,
  read: () => readonly Item[],
  withWord: string | null,
  pairOf: (item: Item) => MemoryReply,
): MemoryReply {
  const { random } = call.keyspace;
  if (call.args.length === 1) return drawOne(read(), random)?.[0] ?? null;
  const count = countOf(call);
  const [, , word, ...more] = call.args;
  if (more.length > 0 || (word !== undefined && word.toUpperCase() !== withWord)) throw syntaxError();
  if (word !== undefined && (count > PAIRS_MAX || count < -PAIRS_MAX))
    throw new ReplyError("ERR value is out of range");
  const items = read();
  const several = count < 0n ? drawAgain(items, -count, random) : drawSeveral(items, Number(count), random);
  return several.map((item) => (word === undefined ? item[0] : pairOf(item)));
}

/** Each as often as it comes. */
function drawAgain<Item>(items: readonly Item[], count: bigint, random: () => number): readonly Item[] {
  if (items.length === 0) return [];
  if (count > REPEATED_MAX) throw new ReplyError(`ERR values in memory are drawn ${REPEATED_MAX} times at most`);
  return Array.from({ length: Number(count) }, () => drawOne(items, random) ?? []).flat() as Item[];
}

function countOf(call: MemoryCall): bigint {
  const count = integer(at(call, 1));
  if (count < -COUNT_MAX) {
    throw new ReplyError(`ERR value is out of range, value must between ${-COUNT_MAX} and ${COUNT_MAX}`);
  }
  return count;
}
