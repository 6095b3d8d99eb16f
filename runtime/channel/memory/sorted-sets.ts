// Sorted sets, by rank and by score; ranges between members (BYLEX) are not kept here.

import { ReplyError } from "../reply-value.ts";
import {
  at,
  integer,
  parseDouble,
  positive,
  sliceBounds,
  syntaxError,
  type MemoryCall,
  type MemoryCommands,
} from "./arguments.ts";
import { drawn } from "./drawing.ts";
import { scanValue } from "./scanning.ts";
import { Double, doubleText, type Bytes, type MemoryReply } from "./reply-writing.ts";

type Member = readonly [member: Bytes, score: number];

export const SORTED_SET_COMMANDS: MemoryCommands = {
  zadd,
  zcard: (call) => read(call).size,
  zcount: (call) => {
    const inRange = scoreRange(at(call, 1), at(call, 2));
    return ranked(call).filter(inRange).length;
  },
  zincrby: (call) => {
    const increment = scoreOf(at(call, 1));
    const before = read(call).get(at(call, 2));
    const score = before === undefined ? increment : before + increment;
    if (Number.isNaN(score)) throw new ReplyError("ERR resulting score is not a number (NaN)");
    change(call, (scores) => put(scores, at(call, 2), score));
    return new Double(score);
  },
  zmscore: (call) => {
    const scores = read(call);
    return call.args.slice(1).map((member) => doubleOrNil(scores.get(member)));
  },
  zpopmax: (call) => pop(call, (members) => members.toReversed()),
  zpopmin: (call) => pop(call, (members) => members),
  zrandmember: (call) => drawn(call, () => ranked(call), "WITHSCORES", withScore),
  zrange: (call) => {
    const options = rangeOptions(call, 3, ["BYSCORE", "REV", "WITHSCORES"]);
    if (options.limit !== null && !options.words.has("BYSCORE")) {
      throw new ReplyError("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    }
    const rangeOf = options.words.has("BYSCORE") ? byScore : byRank;
    return rangeOf(call, options, options.words.has("REV"));
  },
  zrangebyscore: (call) => byScore(call, rangeOptions(call, 3, ["WITHSCORES"]), false),
  zrank: (call) => rank(ranked(call), at(call, 1)),
  zrem: (call) => removeAll(call, call.args.slice(1)),
  zremrangebyrank: (call) => {
    const [start, stop] = [integer(at(call, 1)), integer(at(call, 2))];
    const members = ranked(call);
    return removeAll(call, names(members.slice(...sliceBounds(start, stop, members.length))));
  },
  zremrangebyscore: (call) => {
    const inRange = scoreRange(at(call, 1), at(call, 2));
    return removeAll(call, names(ranked(call).filter(inRange)));
  },
  zrevrange: (call) => byRank(call, rangeOptions(call, 3, ["WITHSCORES"]), true),
  zrevrangebyscore: (call) => byScore(call, rangeOptions(call, 3, ["WITHSCORES"]), true),
  zrevrank: (call) => rank(ranked(call).toReversed(), at(call, 1)),
  zscan: (call) => {
    const told = (member: Bytes): readonly Bytes[] => [member, doubleText(read(call).get(member) ?? 0)];
    return scanValue(call, () => call.keyspace.read(at(call, 0), "zset"), told);
  },
  zscore: (call) => doubleOrNil(read(call).get(at(call, 1))),
};

const read = (call: MemoryCall): ReadonlyMap<Bytes, number> => call.keyspace.read(at(call, 0), "zset") ?? new Map();

const change = <Result>(call: MemoryCall, edit: (scores: Map<Bytes, number>) => Result): Result =>
  call.keyspace.change(at(call, 0), "zset", new Map(), edit);

/** A score of -0 is kept as 0, as Redis keeps it in its small sets. */
const put = (scores: Map<Bytes, number>, member: Bytes, score: number): unknown => scores.set(member, score + 0);

/** By score, then by the member's bytes. */
const ranked = (call: MemoryCall): Member[] =>
  [...read(call)].toSorted(([a, aScore], [b, bScore]) => (aScore === bScore ? (a < b ? -1 : 1) : aScore - bScore));

const names = (members: readonly Member[]): Bytes[] => members.map(([member]) => member);
const doubleOrNil = (score: number | undefined): MemoryReply => (score === undefined ? null : new Double(score));

function rank(members: readonly Member[], member: Bytes): MemoryReply {
  const place = members.findIndex(([name]) => name === member);
  return place < 0 ? null : place;
}

function removeAll(call: MemoryCall, members: readonly Bytes[]): MemoryReply {
  return change(call, (scores) => members.filter((member) => scores.delete(member)).length);
}

function scoreOf(text: Bytes, otherwise = "ERR value is not a valid float"): number {
  const score = parseDouble(text);
  if (score === undefined) throw new ReplyError(otherwise);
  return score;
}

function scoreRange(min: Bytes, max: Bytes): (member: Member) => boolean {
  const end = (text: Bytes): { score: number; exclusive: boolean } => ({
    // strtod's freedom, which Redis takes here and nowhere else: spaces before, and nothing at all for 0.
    score: scoreOf(text.replace(/^\(?\s*/, "") || "0", "ERR min or max is not a float"),
    exclusive: text.startsWith("("),
  });
  const [low, high] = [end(min), end(max)];
  return ([, score]) =>
    (low.exclusive ? score > low.score : score >= low.score) &&
    (high.exclusive ? score < high.score : score <= high.score);
}

interface RangeOptions {
  readonly words: ReadonlySet<string>;
  readonly limit: { readonly offset: number; readonly count: number } | null;
}

function rangeOptions(call: MemoryCall, index: number, allowed: readonly string[]): RangeOptions {
  const words = new Set<string>();
  let limit: RangeOptions["limit"] = null;
  for (let i = index; i < call.args.length; i += 1) {
    const word = at(call, i).toUpperCase();
    if (allowed.includes(word)) words.add(word);
    else if (word === "LIMIT" && i + 2 < call.args.length) {
      limit = { offset: Number(integer(at(call, i + 1))), count: Number(integer(at(call, i + 2))) };
      i += 2;
    } else throw syntaxError();
  }
  return { words, limit };
}

function byRank(call: MemoryCall, { words }: RangeOptions, reversed: boolean): MemoryReply {
  const [start, stop] = [integer(at(call, 1)), integer(at(call, 2))];
  const members = reversed ? ranked(call).toReversed() : ranked(call);
  return listed(members.slice(...sliceBounds(start, stop, members.length)), words);
}

function byScore(call: MemoryCall, { words, limit }: RangeOptions, reversed: boolean): MemoryReply {
  const [min, max] = reversed ? [at(call, 2), at(call, 1)] : [at(call, 1), at(call, 2)];
  const inRange = scoreRange(min, max);
  const members = (reversed ? ranked(call).toReversed() : ranked(call)).filter(inRange);
  if (limit === null) return listed(members, words);
  if (limit.offset < 0) return [];
  return listed(members.slice(limit.offset, limit.count < 0 ? undefined : limit.offset + limit.count), words);
}

const withScore = ([member, score]: Member): MemoryReply[] => [member, new Double(score)];

const listed = (members: readonly Member[], words: ReadonlySet<string>): MemoryReply =>
  words.has("WITHSCORES") ? members.map(withScore) : names(members);

function pop(call: MemoryCall, order: (members: Member[]) => Member[]): MemoryReply {
  if (call.args.length > 2) throw syntaxError();
  const count = call.args.length === 2 ? positive(at(call, 1)) : null;
  const popped = order(ranked(call)).slice(0, count ?? 1);
  removeAll(call, names(popped));
  return count === null ? popped.flatMap(withScore) : popped.map(withScore);
}

const ZADD_WORDS = ["NX", "XX", "GT", "LT", "CH", "INCR"];

function zadd(call: MemoryCall): MemoryReply {
  const upper = call.args.map((word) => word.toUpperCase());
  const first = upper.findIndex((word, index) => index > 0 && !ZADD_WORDS.includes(word));
  const words = new Set(upper.slice(1, first < 0 ? undefined : first));
  const rest = first < 0 ? [] : call.args.slice(first);
  if (rest.length === 0 || rest.length % 2 !== 0) throw syntaxError();
  checkConditions(words, rest.length / 2);
  const members = Array.from({ length: rest.length / 2 }, (_, pair): Member => [
    rest[2 * pair + 1] ?? "",
    scoreOf(rest[2 * pair] ?? ""),
  ]);
  if (read(call).size === 0 && words.has("XX")) return words.has("INCR") ? null : 0;
  return change(call, (scores) => addAll(scores, members, words));
}

function checkConditions(words: ReadonlySet<string>, pairs: number): void {
  const both = (a: string, b: string): boolean => words.has(a) && words.has(b);
  if (both("NX", "XX")) throw new ReplyError("ERR XX and NX options at the same time are not compatible");
  if (both("GT", "NX") || both("LT", "NX") || both("GT", "LT")) {
    throw new ReplyError("ERR GT, LT, and/or NX options at the same time are not compatible");
  }
  if (words.has("INCR") && pairs > 1) {
    throw new ReplyError("ERR INCR option supports a single increment-element pair");
  }
}

function addAll(scores: Map<Bytes, number>, members: readonly Member[], words: ReadonlySet<string>): MemoryReply {
  let added = 0;
  let changed = 0;
  let last: MemoryReply = null;
  for (const [member, given] of members) {
    const before = scores.get(member);
    if (words.has(before === undefined ? "XX" : "NX")) continue;
    const score = words.has("INCR") && before !== undefined ? before + given : given;
    if (Number.isNaN(score)) throw new ReplyError("ERR resulting score is not a number (NaN)");
    if (before !== undefined && words.has("GT") && score <= before) continue;
    if (before !== undefined && words.has("LT") && score >= before) continue;
    put(scores, member, score);
    last = new Double(score);
    if (before === undefined) added += 1;
    else if (score !== before) changed += 1;
  }
  if (words.has("INCR")) return last;
  return words.has("CH") ? added + changed : added;
}
