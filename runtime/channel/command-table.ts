// What a function may call: every command of Redis 7.0, either allowed with its rules or refused with a reason. Both
// sides' checks, the guest's methods, the reply shapes and docs/commands.md all come from here (by `command-rows.ts`); a
// test holds the table against a real server.

import type { AllowedCommand, ArgumentRule, Reason, ReplyShape } from "./command-rule.ts";

const read = <const Name extends string>(
  name: Name,
  arity: number,
  rules: readonly ArgumentRule[],
  shape: ReplyShape = "plain",
): AllowedCommand<Name> => ({ name, access: "read", arity, rules, shape });

const write = <const Name extends string>(
  name: Name,
  arity: number,
  rules: readonly ArgumentRule[],
  shape: ReplyShape = "plain",
): AllowedCommand<Name> => ({ name, access: "write", arity, rules, shape });

const keys = (first: number, last: number, step = 1): ArgumentRule => ({ kind: "keys", first, last, step });
const counted = (at: number): ArgumentRule => ({ kind: "counted", at });
const after = (token: string, from: number, takes: "key" | "pattern"): ArgumentRule => ({
  kind: "after",
  token,
  from,
  takes,
});
const forbidden = (token: string, from: number, reason: Reason): ArgumentRule => ({
  kind: "forbidden",
  token,
  from,
  reason,
});

const key = [keys(1, 1)];
const twoKeys = [keys(1, 2)];
const everyKey = [keys(1, -1)];
const subcommandKey = [keys(2, 2)];
const streams: readonly ArgumentRule[] = [{ kind: "streams" }];
const channel: readonly ArgumentRule[] = [{ kind: "channel", at: 1 }];
const sortPatterns = [after("BY", 2, "pattern"), after("GET", 2, "pattern")];

/** The commands that functions may call, by family. */
export const ALLOWED = {
  Strings: [
    write("append", 3, key),
    write("decr", 2, key),
    write("decrby", 3, key),
    read("get", 2, key),
    write("getdel", 2, key),
    write("getex", -2, key),
    read("getrange", 4, key),
    write("getset", 3, key),
    write("incr", 2, key),
    write("incrby", 3, key),
    write("incrbyfloat", 3, key),
    read("lcs", -3, twoKeys),
    read("mget", -2, everyKey),
    write("mset", -3, [keys(1, -1, 2)]),
    write("msetnx", -3, [keys(1, -1, 2)]),
    write("psetex", 4, key),
    write("set", -3, key),
    write("setex", 4, key),
    write("setnx", 3, key),
    write("setrange", 4, key),
    read("strlen", 2, key),
    read("substr", 4, key),
  ],
  Bitmaps: [
    read("bitcount", -2, key),
    write("bitfield", -2, key),
    read("bitfield_ro", -2, key),
    write("bitop", -4, [keys(2, -1)]),
    read("bitpos", -3, key),
    read("getbit", 3, key),
    write("setbit", 4, key),
  ],
  HyperLogLogs: [
    write("pfadd", -2, key),
    // Redis flags it readonly, but it rewrites the cached estimate inside the value, and replicates that.
    write("pfcount", -2, everyKey),
    write("pfmerge", -2, everyKey),
  ],
  Hashes: [
    write("hdel", -3, key),
    read("hexists", 3, key),
    read("hget", 3, key),
    read("hgetall", 2, key, "object"),
    write("hincrby", 4, key),
    write("hincrbyfloat", 4, key),
    read("hkeys", 2, key),
    read("hlen", 2, key),
    read("hmget", -3, key),
    write("hmset", -4, key),
    read("hrandfield", -2, key, "pairs"),
    read("hscan", -3, key),
    write("hset", -4, key),
    write("hsetnx", 4, key),
    read("hstrlen", 3, key),
    read("hvals", 2, key),
  ],
  Lists: [
    read("lindex", 3, key),
    write("linsert", 5, key),
    read("llen", 2, key),
    write("lmove", 5, twoKeys),
    write("lmpop", -4, [counted(1)]),
    write("lpop", -2, key),
    read("lpos", -3, key),
    write("lpush", -3, key),
    write("lpushx", -3, key),
    read("lrange", 4, key),
    write("lrem", 4, key),
    write("lset", 4, key),
    write("ltrim", 4, key),
    write("rpop", -2, key),
    write("rpoplpush", 3, twoKeys),
    write("rpush", -3, key),
    write("rpushx", -3, key),
  ],
  Sets: [
    write("sadd", -3, key),
    read("scard", 2, key),
    read("sdiff", -2, everyKey),
    write("sdiffstore", -3, everyKey),
    read("sinter", -2, everyKey),
    read("sintercard", -3, [counted(1)]),
    write("sinterstore", -3, everyKey),
    read("sismember", 3, key),
    read("smembers", 2, key),
    read("smismember", -3, key),
    write("smove", 4, twoKeys),
    write("spop", -2, key),
    read("srandmember", -2, key),
    write("srem", -3, key),
    read("sscan", -3, key),
    read("sunion", -2, everyKey),
    write("sunionstore", -3, everyKey),
  ],
  "Sorted sets": [
    write("zadd", -4, key),
    read("zcard", 2, key),
    read("zcount", 4, key),
    read("zdiff", -3, [counted(1)], "pairs"),
    write("zdiffstore", -4, [keys(1, 1), counted(2)]),
    write("zincrby", 4, key),
    read("zinter", -3, [counted(1)], "pairs"),
    read("zintercard", -3, [counted(1)]),
    write("zinterstore", -4, [keys(1, 1), counted(2)]),
    read("zlexcount", 4, key),
    write("zmpop", -4, [counted(1)]),
    read("zmscore", -3, key),
    write("zpopmax", -2, key, "pairs"),
    write("zpopmin", -2, key, "pairs"),
    read("zrandmember", -2, key, "pairs"),
    read("zrange", -4, key, "pairs"),
    read("zrangebylex", -4, key),
    read("zrangebyscore", -4, key, "pairs"),
    write("zrangestore", -5, twoKeys),
    read("zrank", 3, key),
    write("zrem", -3, key),
    write("zremrangebylex", 4, key),
    write("zremrangebyrank", 4, key),
    write("zremrangebyscore", 4, key),
    read("zrevrange", -4, key, "pairs"),
    read("zrevrangebylex", -4, key),
    read("zrevrangebyscore", -4, key, "pairs"),
    read("zrevrank", 3, key),
    read("zscan", -3, key),
    read("zscore", 3, key),
    read("zunion", -3, [counted(1)], "pairs"),
    write("zunionstore", -4, [keys(1, 1), counted(2)]),
  ],
  Geo: [
    write("geoadd", -5, key),
    read("geodist", -4, key),
    read("geohash", -2, key),
    read("geopos", -2, key),
    write("georadius", -6, [keys(1, 1), after("STORE", 6, "key"), after("STOREDIST", 6, "key")]),
    read("georadius_ro", -6, key),
    write("georadiusbymember", -5, [keys(1, 1), after("STORE", 5, "key"), after("STOREDIST", 5, "key")]),
    read("georadiusbymember_ro", -5, key),
    read("geosearch", -7, key),
    write("geosearchstore", -8, twoKeys),
  ],
  Streams: [
    write("xack", -4, key),
    write("xadd", -5, key),
    write("xautoclaim", -6, key),
    write("xclaim", -6, key),
    write("xdel", -3, key),
    write("xgroup|create", -5, subcommandKey),
    write("xgroup|createconsumer", 5, subcommandKey),
    write("xgroup|delconsumer", 5, subcommandKey),
    write("xgroup|destroy", 4, subcommandKey),
    write("xgroup|setid", -5, subcommandKey),
    read("xinfo|consumers", 4, subcommandKey),
    read("xinfo|groups", 3, subcommandKey),
    read("xinfo|stream", -3, subcommandKey),
    read("xlen", 2, key),
    read("xpending", -3, key),
    read("xrange", -4, key),
    read("xread", -4, streams, "streams"),
    write("xreadgroup", -7, streams, "streams"),
    read("xrevrange", -4, key),
    write("xsetid", -3, key),
    write("xtrim", -4, key),
  ],
  "Keys of any type": [
    write("copy", -3, [keys(1, 2), forbidden("DB", 3, "database")]),
    write("del", -2, everyKey),
    read("dump", 2, key),
    read("exists", -2, everyKey),
    write("expire", -3, key),
    write("expireat", -3, key),
    read("expiretime", 2, key),
    // Names of locus' own keys may be seen (here, in SCAN and in RANDOMKEY): what they hold may not.
    read("keys", 2, []),
    read("memory|usage", -3, subcommandKey),
    read("object|encoding", 3, subcommandKey),
    read("object|freq", 3, subcommandKey),
    read("object|idletime", 3, subcommandKey),
    read("object|refcount", 3, subcommandKey),
    write("persist", 2, key),
    write("pexpire", -3, key),
    write("pexpireat", -3, key),
    read("pexpiretime", 2, key),
    read("pttl", 2, key),
    // It deletes the expired keys that it comes upon, and while clients are paused Redis 7.0 looks for one that is not
    // for ever: as a write it waits until they are not.
    write("randomkey", 1, []),
    write("rename", 3, twoKeys),
    write("renamenx", 3, twoKeys),
    read("scan", -2, []),
    // Without STORE they change nothing, but a row has one access: a write too many costs little.
    write("sort", -2, [keys(1, 1), after("STORE", 2, "key"), ...sortPatterns]),
    read("sort_ro", -2, [keys(1, 1), ...sortPatterns]),
    read("touch", -2, everyKey),
    read("ttl", 2, key),
    read("type", 2, key),
    write("unlink", -2, everyKey),
  ],
  Others: [
    read("dbsize", 1, []),
    read("echo", 2, []),
    read("ping", -1, []),
    // They change no data, but what they send is seen: an invocation that sent it is not run again unseen.
    write("publish", 3, channel),
    write("spublish", 3, channel),
    read("time", 1, []),
  ],
} as const satisfies Record<string, readonly AllowedCommand[]>;

const names = (text: string): readonly string[] => text.split(" ");

/** The commands that functions may not call, by reason; a container's name stands for all of its subcommands. */
export const REFUSED: Readonly<Partial<Record<Reason, readonly string[]>>> = {
  blocks: names("blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin wait"),
  connection: [
    ...names("asking auth client hello quit readonly readwrite reset select"),
    ...names("monitor psubscribe punsubscribe ssubscribe subscribe sunsubscribe unsubscribe"),
  ],
  transaction: names("discard exec unwatch watch"),
  // What client libraries chain commands on. The second is no command of Redis.
  chained: names("multi pipeline"),
  script: names("eval eval_ro evalsha evalsha_ro fcall fcall_ro function script"),
  server: [
    ...names("acl bgrewriteaof bgsave cluster command config debug failover flushall flushdb info lastsave latency"),
    ...names(
      "lolwut module pfdebug pfselftest psync pubsub replconf replicaof role save shutdown slaveof slowlog sync",
    ),
    ...names(
      "memory|doctor memory|help memory|malloc-stats memory|purge memory|stats object|help xgroup|help xinfo|help",
    ),
  ],
  database: names("migrate move swapdb"),
  serialized: names("restore restore-asking"),
};
