// Keys of any type, and the few commands that name no key.

import { ReplyError } from "../reply-value.ts";
import { at, expiryMs, integer, syntaxError, type MemoryCall, type MemoryCommands } from "./arguments.ts";
import { drawOne } from "./drawing.ts";
import { globMatcher } from "./glob.ts";
import { cursorAt, scanOptions, scanStep } from "./scanning.ts";
import { OK, Status, type Bytes, type MemoryReply } from "./reply-writing.ts";

export const KEY_COMMANDS: MemoryCommands = {
  copy: (call) => {
    const [source, destination, replace, ...more] = call.args;
    if (more.length > 0 || (replace !== undefined && replace.toUpperCase() !== "REPLACE")) throw syntaxError();
    if (source === destination) throw new ReplyError("ERR source and destination objects are the same");
    const entry = call.keyspace.entry(at(call, 0));
    if (entry === undefined || (call.keyspace.has(at(call, 1)) && replace === undefined)) return 0;
    call.keyspace.put(at(call, 1), structuredClone(entry.stored), entry.expiresAtMs);
    return 1;
  },
  dbsize: ({ keyspace }) => keyspace.keys.length,
  del,
  echo: (call) => at(call, 0),
  exists: ({ keyspace, args }) => args.filter((key) => keyspace.has(key)).length,
  expire: (call) => expire(call, 1000, call.keyspace.nowMs),
  expireat: (call) => expire(call, 1000, 0),
  expiretime: (call) => remaining(call, (expiresAtMs) => Math.floor(expiresAtMs / 1000)),
  keys: ({ keyspace, args: [glob = ""] }) => keyspace.keys.filter(globMatcher(glob)),
  persist: (call) => {
    const entry = call.keyspace.entry(at(call, 0));
    if (entry === undefined || entry.expiresAtMs === Infinity) return 0;
    entry.expiresAtMs = Infinity;
    return 1;
  },
  pexpire: (call) => expire(call, 1, call.keyspace.nowMs),
  pexpireat: (call) => expire(call, 1, 0),
  pexpiretime: (call) => remaining(call, (expiresAtMs) => expiresAtMs),
  ping: ({ args: [message, ...more] }) => {
    if (more.length > 0) throw new ReplyError("ERR wrong number of arguments for 'ping' command");
    return message ?? new Status("PONG");
  },
  pttl: (call) => remaining(call, (expiresAtMs) => expiresAtMs - call.keyspace.nowMs),
  randomkey: ({ keyspace }) => drawOne(keyspace.keys, keyspace.random),
  rename: (call) => {
    rename(call);
    return OK;
  },
  renamenx: (call) => {
    if (call.keyspace.has(at(call, 0)) && call.keyspace.has(at(call, 1))) return 0;
    rename(call);
    return 1;
  },
  scan: (call) => {
    const cursor = cursorAt(call, 0);
    const options = scanOptions(call, 1, true);
    const typeOf = (key: Bytes): string => call.keyspace.entry(key)?.stored.type ?? "none";
    const keys = call.keyspace.keys.filter((key) => options.type === null || typeOf(key) === options.type);
    return scanStep(keys, cursor, options, (key) => [key]);
  },
  time: ({ keyspace: { nowMs } }) => [String(Math.floor(nowMs / 1000)), String((nowMs % 1000) * 1000)],
  touch: ({ keyspace, args }) => args.filter((key) => keyspace.has(key)).length,
  ttl: (call) => remaining(call, (expiresAtMs) => Math.floor((expiresAtMs - call.keyspace.nowMs + 500) / 1000)),
  type: (call) => new Status(call.keyspace.entry(at(call, 0))?.stored.type ?? "none"),
  unlink: del,
};

function del({ keyspace, args }: MemoryCall): MemoryReply {
  return args.filter((key) => keyspace.delete(key)).length;
}

function rename({ keyspace, args: [from = "", to = ""] }: MemoryCall): void {
  const entry = keyspace.entry(from);
  if (entry === undefined) throw new ReplyError("ERR no such key");
  keyspace.delete(from);
  keyspace.put(to, entry.stored, entry.expiresAtMs);
}

/** -2 where there is no key, -1 where it never expires. */
function remaining(call: MemoryCall, answer: (expiresAtMs: number) => number): MemoryReply {
  const entry = call.keyspace.entry(at(call, 0));
  if (entry === undefined) return -2;
  return entry.expiresAtMs === Infinity ? -1 : answer(entry.expiresAtMs);
}

function expire(call: MemoryCall, unit: 1 | 1000, fromMs: number): MemoryReply {
  const conditions = conditionsOf(call);
  const whenMs = expiryMs(integer(at(call, 1)), unit, fromMs, call.name);
  const { keyspace } = call;
  const entry = keyspace.entry(at(call, 0));
  if (entry === undefined) return 0;
  const before = entry.expiresAtMs;
  if (conditions.has("NX") && before !== Infinity) return 0;
  if (conditions.has("XX") && before === Infinity) return 0;
  if (conditions.has("GT") && whenMs <= before) return 0;
  if (conditions.has("LT") && whenMs >= before) return 0;
  if (whenMs <= keyspace.nowMs) keyspace.delete(at(call, 0));
  else entry.expiresAtMs = whenMs;
  return 1;
}

function conditionsOf({ args }: MemoryCall): ReadonlySet<string> {
  const conditions = new Set<string>();
  for (const word of args.slice(2)) {
    const condition = word.toUpperCase();
    if (!["NX", "XX", "GT", "LT"].includes(condition)) throw new ReplyError(`ERR Unsupported option ${word}`);
    conditions.add(condition);
  }
  if (conditions.has("NX") && conditions.size > 1) {
    throw new ReplyError("ERR NX and XX, GT or LT options at the same time are not compatible");
  }
  if (conditions.has("GT") && conditions.has("LT")) {
    throw new ReplyError("ERR GT and LT options at the same time are not compatible");
  }
  return conditions;
}
