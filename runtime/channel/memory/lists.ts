// Lists.

import { ReplyError } from "../reply-value.ts";
import {
  at,
  integer,
  positive,
  sliceBounds,
  syntaxError,
  wrongArity,
  type MemoryCall,
  type MemoryCommands,
} from "./arguments.ts";
import { OK, type Bytes, type MemoryReply } from "./reply-writing.ts";

type End = "LEFT" | "RIGHT";

export const LIST_COMMANDS: MemoryCommands = {
  lindex: (call) => {
    const list = call.keyspace.read(at(call, 0), "list");
    return list === undefined ? null : (list.at(Number(integer(at(call, 1)))) ?? null);
  },
  linsert: (call) => {
    const where = at(call, 1).toUpperCase();
    if (where !== "BEFORE" && where !== "AFTER") throw syntaxError();
    if (read(call).length === 0) return 0;
    return change(call, (list) => {
      const pivot = list.indexOf(at(call, 2));
      if (pivot < 0) return -1;
      list.splice(where === "BEFORE" ? pivot : pivot + 1, 0, at(call, 3));
      return list.length;
    });
  },
  llen: (call) => read(call).length,
  lmove: (call) => move(call, endOf(at(call, 2)), endOf(at(call, 3))),
  lpop: (call) => pop(call, "LEFT"),
  lpos,
  lpush: (call) => push(call, "LEFT"),
  lpushx: (call) => (read(call).length === 0 ? 0 : push(call, "LEFT")),
  lrange: (call) => {
    const [start, stop] = [integer(at(call, 1)), integer(at(call, 2))];
    const list = read(call);
    return list.slice(...sliceBounds(start, stop, list.length));
  },
  lrem: (call) => {
    const count = Number(integer(at(call, 1)));
    return change(call, (list) => remove(list, count, at(call, 2)));
  },
  lset: (call) => {
    if (read(call).length === 0) throw new ReplyError("ERR no such key");
    const index = Number(integer(at(call, 1)));
    return change(call, (list) => {
      const place = index < 0 ? index + list.length : index;
      if (place < 0 || place >= list.length) throw new ReplyError("ERR index out of range");
      list[place] = at(call, 2);
      return OK;
    });
  },
  ltrim: (call) => {
    const [start, stop] = [integer(at(call, 1)), integer(at(call, 2))];
    return change(call, (list) => {
      const kept = list.slice(...sliceBounds(start, stop, list.length));
      list.splice(0, list.length, ...kept);
      return OK;
    });
  },
  rpop: (call) => pop(call, "RIGHT"),
  rpoplpush: (call) => move(call, "RIGHT", "LEFT"),
  rpush: (call) => push(call, "RIGHT"),
  rpushx: (call) => (read(call).length === 0 ? 0 : push(call, "RIGHT")),
};

const read = (call: MemoryCall): readonly Bytes[] => call.keyspace.read(at(call, 0), "list") ?? [];

const change = <Result>(call: MemoryCall, edit: (list: Bytes[]) => Result, key = 0): Result =>
  call.keyspace.change(at(call, key), "list", [], edit);

function endOf(word: Bytes): End {
  const end = word.toUpperCase();
  if (end !== "LEFT" && end !== "RIGHT") throw syntaxError();
  return end;
}

function take(list: Bytes[], end: End): Bytes | undefined {
  return end === "LEFT" ? list.shift() : list.pop();
}

function give(list: Bytes[], end: End, element: Bytes): number {
  return end === "LEFT" ? list.unshift(element) : list.push(element);
}

function push(call: MemoryCall, end: End): MemoryReply {
  return change(call, (list) => {
    for (const element of call.args.slice(1)) give(list, end, element);
    return list.length;
  });
}

function pop(call: MemoryCall, end: End): MemoryReply {
  if (call.args.length > 2) throw wrongArity(call.name);
  const count = call.args.length > 1 ? positive(at(call, 1)) : null;
  if (read(call).length === 0) return null;
  return change(call, (list) => {
    if (count === null) return take(list, end) ?? null;
    return Array.from({ length: Math.min(count, list.length) }, () => take(list, end) ?? "");
  });
}

function move(call: MemoryCall, from: End, to: End): MemoryReply {
  if (read(call).length === 0) return null;
  call.keyspace.read(at(call, 1), "list"); // a destination of another type is refused before anything changes
  const element = change(call, (list) => take(list, from) ?? "");
  change(call, (list) => give(list, to, element), 1);
  return element;
}

interface Search {
  /** From the head, 1 for the first match; from the tail where it is negative. */
  readonly rank: number;
  /** 0 for all; null for the one place, which is told alone. */
  readonly count: number | null;
  /** Elements that are compared; 0 for all. */
  readonly compared: number;
}

function lpos(call: MemoryCall): MemoryReply {
  const { rank, count, compared } = searchOf(call);
  if (read(call).length === 0) return count === null ? null : [];
  const places = read(call).map((element, place) => ({ element, place }));
  const way = rank < 0 ? places.toReversed() : places;
  const found = way
    .slice(0, compared === 0 ? undefined : compared)
    .filter(({ element }) => element === at(call, 1))
    .slice(Math.abs(rank) - 1)
    .map(({ place }) => place);
  return count === null ? (found[0] ?? null) : found.slice(0, count === 0 ? undefined : count);
}

function searchOf(call: MemoryCall): Search {
  let search: Search = { rank: 1, count: null, compared: 0 };
  for (let i = 2; i < call.args.length; i += 2) {
    const word = at(call, i).toUpperCase();
    const value = call.args[i + 1];
    if (value === undefined) throw syntaxError();
    if (word === "RANK") search = { ...search, rank: rankOf(value) };
    else if (word === "COUNT") search = { ...search, count: natural(value, "ERR COUNT can't be negative") };
    else if (word === "MAXLEN") search = { ...search, compared: natural(value, "ERR MAXLEN can't be negative") };
    else throw syntaxError();
  }
  return search;
}

function rankOf(text: Bytes): number {
  const rank = Number(integer(text));
  if (rank !== 0) return rank;
  throw new ReplyError(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
  );
}

function natural(text: Bytes, otherwise: string): number {
  const value = integer(text, otherwise);
  if (value < 0n) throw new ReplyError(otherwise);
  return Number(value);
}

/** Removes up to |count| such elements, from the tail for a negative count, all for 0; how many. */
function remove(list: Bytes[], count: number, element: Bytes): number {
  const places = list.flatMap((item, place) => (item === element ? [place] : []));
  const gone = new Set(count < 0 ? places.slice(count) : places.slice(0, count === 0 ? undefined : count));
  const kept = list.filter((_, place) => !gone.has(place));
  list.splice(0, list.length, ...kept);
  return gone.size;
}
