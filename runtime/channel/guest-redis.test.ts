import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GUEST_METHODS } from "./command-rows.ts";
import { guestRedisOver } from "./guest-redis-over.ts";
import { channelTo, redisServerExists, startRedis, type RedisProcess } from "./redis-process.ts";

/** A story in which every method of the guest's `redis` has its turn, most replies' forms with it. */
const STORY = `
ping | ping hello | echo hello | time | dbsize | randomkey | publish news hello | spublish news hello
set s hello | set s there GET | set s again NX | get s | get nothing | getset s hello | getex s EX 1000 | getdel nothing
append s ! | strlen s | getrange s 0 3 | substr s 0 3 | setrange s 1 a | setnx s x | setex e 1000 v | psetex e 1000000 v
mset a 1 b 2 | msetnx a 1 c 2 | mget a b nothing | incr a | incrby a 5 | incrbyfloat a 0.5 | decr b | decrby b 2 | incr s
set n 9007199254740000 | incrby n 900 | lcs a b | lcs a b LEN | lcs a b IDX | lcs s s IDX WITHMATCHLEN
setbit bits 7 1 | getbit bits 7 | bitcount bits | bitpos bits 1 | bitop NOT bits2 bits | bitfield_ro bits GET u8 0
bitfield bits SET u8 0 255 OVERFLOW FAIL INCRBY u8 0 1 | pfadd hll a b | pfcount hll | pfmerge hll2 hll | dump a
copy a a2 | exists a a2 | expire a2 1000 | ttl a2 | pexpire a2 1000000 | persist a2 | expireat a2 4102444800
pexpireat a2 4102444800000 | expiretime a2 | pexpiretime a2 | pttl nothing | rename a2 a3 | renamenx a3 a4 | touch a4
type a4 | type nothing | object ENCODING a | object REFCOUNT s | object FREQ s | object IDLETIME nothing | memory USAGE a
memory USAGE nothing | del a4 | unlink b | keys a | scan 0 MATCH a COUNT 1000
hset h f1 v1 f2 2 | hset h f1 v1 | hmset h2 f v | hget h f1 | hget h nothing | hgetall h | hgetall nothing | hmget h f1 nothing
hexists h f1 | hincrby h f2 3 | hincrbyfloat h f2 1.5 | hkeys h | hvals h | hlen h | hstrlen h f1 | hsetnx h f3 v
hrandfield nothing | hrandfield h2 | hrandfield h2 1 | hrandfield h2 1 WITHVALUES | hscan h 0 | hdel h f3 | hgetall s
rpush l a b c d e f g h | rpush l2 x | lpush l z | lpushx l y | rpushx nothing y | llen l | lindex l 0 | lindex l 100
lrange l 0 -1 | lpos l c | lpos l c COUNT 0 | lpos l nothing | linsert l BEFORE c bc | lset l 0 yy | lrem l 1 bc
ltrim l 0 6 | lpop l | lpop l 2 | rpop l | rpop nothing | rpop nothing 2 | lmove l l2 LEFT RIGHT | rpoplpush l l2
lmpop 2 nothing l LEFT COUNT 2 | lmpop 1 nothing LEFT
sadd t1 a b c | sadd t2 b c d | sadd t3 a | scard t1 | sismember t1 a | smismember t1 a z | smembers t3 | sinter t1 t3
sintercard 2 t1 t2 | sdiff t1 t2 | sunion t3 t3 | sdiffstore t4 t1 t2 | sinterstore t5 t1 t2 | sunionstore t6 t1 t2
srandmember t3 | srandmember t3 1 | sscan t3 0 | smove t1 t7 a | srem t1 b | spop t3 | spop t7 2 | spop nothing
zadd z 1 a 2.5 b 3 c inf d -inf e | zadd z INCR 0.1 a | zadd z XX INCR 1 nothing | zadd z NX CH 4 f | zadd y 1 a 5 b
zcard z | zcount z -inf +inf | zscore z a | zscore z nothing | zmscore z a nothing | zincrby z 1 b | zrank z b | zrevrank z b
zrank z nothing | zrange z 0 -1 | zrange z 0 -1 WITHSCORES | zrange z 0 1 REV WITHSCORES | zrange z 0 10 BYSCORE LIMIT 0 2
zrevrange z 0 -1 WITHSCORES | zrangebyscore z 0 10 WITHSCORES | zrevrangebyscore z 10 0 WITHSCORES | zrangebylex z - +
zrevrangebylex z + - | zlexcount z - + | zrangestore zs z 0 1 | zinter 2 z y WITHSCORES | zinter 2 z y | zunion 2 z y WITHSCORES
zdiff 2 z y WITHSCORES | zdiff 2 z nothing | zinterstore zi 2 z y | zunionstore zu 2 z y WEIGHTS 1 2 | zdiffstore zd 2 z y
zintercard 2 z y | zrandmember nothing | zrandmember zd 0 | zadd one 1.25 a | zrandmember one | zrandmember one 1 WITHSCORES
zscan one 0 | zpopmin z | zpopmax z 2 | zpopmin nothing | zmpop 2 nothing z MIN COUNT 2 | zmpop 1 nothing MAX
zrem y a | zremrangebyrank zu 0 0 | zremrangebyscore zu 0 1 | zremrangebylex zi - + | zrange s 0 1
geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania | geodist g Palermo Catania km | geodist g Palermo nothing
geohash g Palermo nothing | geopos g Palermo nothing | georadius g 15 37 200 km WITHCOORD WITHDIST WITHHASH ASC
georadius g 15 37 200 km STORE gs | georadius_ro g 15 37 200 km ASC | georadiusbymember g Palermo 200 km ASC
georadiusbymember_ro g Palermo 200 km WITHDIST ASC | geosearch g FROMMEMBER Palermo BYRADIUS 200 km ASC WITHDIST
geosearchstore gs g FROMLONLAT 15 37 BYBOX 400 400 km ASC
xadd x 1-1 f v | xadd x 1-2 f v g w | xadd x 2-1 f v | xadd nothing NOMKSTREAM * f v | xlen x | xrange x - + | xrange x 9 10
xrevrange x + - COUNT 1 | xread COUNT 2 STREAMS x 0 | xread STREAMS x $ | xgroup CREATE x gr 0 | xgroup CREATECONSUMER x gr c2
xreadgroup GROUP gr c1 COUNT 2 STREAMS x > | xreadgroup GROUP gr c1 STREAMS x 0 | xdel x 1-1 | xreadgroup GROUP gr c1 STREAMS x 0
xpending x gr | xpending nothing gr | xclaim x gr c2 0 1-2 JUSTID | xautoclaim x gr c2 0 0 | xautoclaim x gr c2 0 0 JUSTID
xclaim x gr c2 0 1-2 | xinfo STREAM x | xinfo GROUPS x | xinfo GROUPS nothing | xack x gr 1-2 | xgroup DELCONSUMER x gr c2
xgroup SETID x gr 0 | xgroup DESTROY x gr | xsetid x 9-9 | xtrim x MAXLEN 1
sort l2 ALPHA | sort_ro l2 ALPHA DESC | sort l2 BY nosort GET # GET w:* | sort l2 ALPHA STORE sorted
call HGETALL h | call hgetall h | call ZRANGE y 0 -1 WITHSCORES | call zrange y 0 -1 WITHSCORES | call XREAD STREAMS x 0
`
  .split(/[|\n]/)
  .map((line) => line.trim().split(" "))
  .filter(([method]) => method !== "");

type Methods = Readonly<Record<string, (...args: string[]) => Promise<unknown>>>;

/** Everything that the story answers: values as they are, bytes as hexadecimal, errors by their text. */
async function tell(redis: unknown, form: "" | "Buffer"): Promise<unknown[]> {
  const answers = [];
  for (const [method = "", ...args] of STORY) {
    const call = (redis as Methods)[method + form];
    const answer = await call?.apply(redis, args).catch((error: Error) => `rejected: ${error.message}`);
    answers.push({ call: [method, ...args], answer: method === "time" ? "the time" : plain(answer) });
  }
  return answers;
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([field, item]) => [field, plain(item)]));
}

describe.skipIf(!redisServerExists())(
  "a function's redis and ioredis, on a real server (skipped where there is none)",
  () => {
    let server: RedisProcess;
    let client: Redis;
    beforeAll(async () => {
      server = await startRedis();
      client = new Redis({ path: server.path });
    });
    afterAll(async () => {
      client.disconnect();
      await server.close();
    });

    test("are told the same story, which leaves no method out", () => {
      const told = new Set(STORY.map(([method]) => method));
      expect(GUEST_METHODS.filter(({ name }) => !told.has(name))).toEqual([]);
    });

    test.each(["", "Buffer"] as const)("answer the same in it (methods named …%s)", async (form) => {
      const channel = await channelTo(server.path);
      await client.flushall();
      const theirs = await tell(client, form);
      await client.flushall();
      const ours = await tell(guestRedisOver(channel), form);
      channel.close();
      expect(ours).toEqual(theirs);
    });
  },
);
