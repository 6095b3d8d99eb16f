// Sets.

import { ReplyError } from "../reply-value.ts";
import { at, integer, positive, syntaxError, type MemoryCall, type MemoryCommands } from "./arguments.ts";
import { drawn, drawSeveral } from "./drawing.ts";
import { scanValue } from "./scanning.ts";
import type { Bytes, MemoryReply } from "./reply-writing.ts";

type Combine = (first: ReadonlySet<Bytes>, others: readonly ReadonlySet<Bytes>[]) => Set<Bytes>;

const difference: Combine = (first, others) =>
  others.reduce<Set<Bytes>>((all, set) => all.difference(set), new Set(first));
const intersection: Combine = (first, others) =>
  others.reduce<Set<Bytes>>((all, set) => all.intersection(set), new Set(first));
const union: Combine = (first, others) => others.reduce<Set<Bytes>>((all, set) => all.union(set), new Set(first));

export const SET_COMMANDS: MemoryCommands = {
  sadd: (call) =>
    change(call, (set) => {
      const before = set.size;
      for (const member of call.args.slice(1)) set.add(member);
      return set.size - before;
    }),
  scard: (call) => read(call).size,
  sdiff: (call) => combined(call, call.args, difference),
  sdiffstore: (call) => store(call, difference),
  sinter: (call) => combined(call, call.args, intersection),
  sintercard: (call) => {
    const { keys, limit } = countedKeys(call);
    const { size } = combined(call, keys, intersection);
    return limit === 0 ? size : Math.min(size, limit);
  },
  sinterstore: (call) => store(call, intersection),
  sismember: (call) => (read(call).has(at(call, 1)) ? 1 : 0),
  smembers: (call) => read(call),
  smismember: (call) => {
    const set = read(call);
    return call.args.slice(1).map((member) => (set.has(member) ? 1 : 0));
  },
  smove: (call) => {
    if (!call.keyspace.has(at(call, 0))) return 0;
    const [from, to] = [read(call), read(call, 1)];
    const member = at(call, 2);
    if (!from.has(member)) return 0;
    if (from === to) return 1;
    change(call, (set) => set.delete(member));
    change(call, (set) => set.add(member), 1);
    return 1;
  },
  spop: (call) => {
    if (call.args.length > 2) throw syntaxError();
    const { random } = call.keyspace;
    const several = call.args.length === 1 ? null : positive(at(call, 1));
    const popped = drawSeveral([...read(call)], several ?? 1, random);
    change(call, (set) => popped.forEach((member) => set.delete(member)));
    return several === null ? (popped[0] ?? null) : new Set(popped);
  },
  srandmember: (call) =>
    drawn(
      call,
      () => [...read(call)].map((member) => [member] as const),
      null,
      ([member]) => member,
    ),
  srem: (call) => change(call, (set) => call.args.slice(1).filter((member) => set.delete(member)).length),
  sscan: (call) =>
    scanValue(
      call,
      () => call.keyspace.read(at(call, 0), "set"),
      (member) => [member],
    ),
  sunion: (call) => combined(call, call.args, union),
  sunionstore: (call) => store(call, union),
};

const read = (call: MemoryCall, key = 0): ReadonlySet<Bytes> =>
  call.keyspace.read(at(call, key), "set") ?? new Set<Bytes>();

const change = <Result>(call: MemoryCall, edit: (set: Set<Bytes>) => Result, key = 0): Result =>
  call.keyspace.change(at(call, key), "set", new Set(), edit);

function combined({ keyspace }: MemoryCall, keys: readonly Bytes[], combine: Combine): Set<Bytes> {
  const [first = new Set<Bytes>(), ...others] = keys.map((key) => keyspace.read(key, "set") ?? new Set<Bytes>());
  return combine(first, others);
}

function store(call: MemoryCall, combine: Combine): MemoryReply {
  const value = combined(call, call.args.slice(1), combine);
  call.keyspace.put(at(call, 0), { type: "set", value });
  return value.size;
}

function countedKeys(call: MemoryCall): { keys: readonly Bytes[]; limit: number } {
  const tooFew = "ERR numkeys should be greater than 0";
  const count = Number(integer(at(call, 0), tooFew));
  if (count <= 0) throw new ReplyError(tooFew);
  if (count > call.args.length - 1) {
    throw new ReplyError("ERR Number of keys can't be greater than number of args");
  }
  const [word, amount, ...more] = call.args.slice(count + 1);
  if (word === undefined) return { keys: call.args.slice(1, count + 1), limit: 0 };
  if (word.toUpperCase() !== "LIMIT" || amount === undefined || more.length > 0) throw syntaxError();
  const negative = "ERR LIMIT can't be negative";
  const limit = Number(integer(amount, negative));
  if (limit < 0) throw new ReplyError(negative);
  return { keys: call.args.slice(1, count + 1), limit };
}
