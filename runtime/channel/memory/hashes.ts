// Hashes.

import { ReplyError } from "../reply-value.ts";
import { at, integer, parseInteger, sum, wrongArity, type MemoryCall, type MemoryCommands } from "./arguments.ts";
import { drawn } from "./drawing.ts";
import { scanValue } from "./scanning.ts";
import { OK, type Bytes, type MemoryReply } from "./reply-writing.ts";

export const HASH_COMMANDS: MemoryCommands = {
  hdel: (call) => change(call, (hash) => call.args.slice(1).filter((field) => hash.delete(field)).length),
  hexists: (call) => (read(call).has(at(call, 1)) ? 1 : 0),
  hget: (call) => read(call).get(at(call, 1)) ?? null,
  hgetall: (call) => read(call),
  hincrby: (call) => {
    const increment = integer(at(call, 2));
    const before = parseInteger(read(call).get(at(call, 1)) ?? "0");
    if (before === undefined) throw new ReplyError("ERR hash value is not an integer");
    const result = sum(before, increment);
    change(call, (hash) => hash.set(at(call, 1), String(result)));
    return result;
  },
  hkeys: (call) => [...read(call).keys()],
  hlen: (call) => read(call).size,
  hmget: (call) => {
    const hash = read(call);
    return call.args.slice(1).map((field) => hash.get(field) ?? null);
  },
  hmset: (call) => {
    hset(call);
    return OK;
  },
  hrandfield: (call) =>
    drawn(
      call,
      () => [...read(call)],
      "WITHVALUES",
      (pair) => pair,
    ),
  hscan: (call) => {
    const told = (field: Bytes): readonly Bytes[] => [field, read(call).get(field) ?? ""];
    return scanValue(call, () => call.keyspace.read(at(call, 0), "hash"), told);
  },
  hset,
  hsetnx: (call) => {
    if (read(call).has(at(call, 1))) return 0;
    change(call, (hash) => hash.set(at(call, 1), at(call, 2)));
    return 1;
  },
  hstrlen: (call) => read(call).get(at(call, 1))?.length ?? 0,
  hvals: (call) => [...read(call).values()],
};

const read = (call: MemoryCall): ReadonlyMap<Bytes, Bytes> => call.keyspace.read(at(call, 0), "hash") ?? new Map();

const change = <Result>(call: MemoryCall, edit: (hash: Map<Bytes, Bytes>) => Result): Result =>
  call.keyspace.change(at(call, 0), "hash", new Map(), edit);

function hset(call: MemoryCall): MemoryReply {
  if (call.args.length % 2 === 0) throw wrongArity(call.name);
  return change(call, (hash) => {
    const before = hash.size;
    for (let i = 1; i < call.args.length; i += 2) hash.set(at(call, i), at(call, i + 1));
    return hash.size - before;
  });
}
