// A Redis client that sends each command only when the one before has answered, whatever its user does at once: what
// AutoLoc's `redisclient` was, and what a function pays that talks to Redis from afar without batching.

import type { Redis } from "ioredis";

type Send = (...args: unknown[]) => Promise<unknown>;

export interface SerialRedis {
  /** Every method of the client, one command at a time. */
  readonly redis: Redis;
  /** Commands sent so far. */
  readonly commands: () => number;
}

export const serialRedis = (client: Redis): SerialRedis => {
  let last: Promise<unknown> = Promise.resolve();
  let commands = 0;
  const methods = new Map<string | symbol, unknown>();
  const oneAtATime = (send: Send): Send => {
    return (...args) => {
      commands += 1;
      const answer = last.then(() => send.apply(client, args));
      last = answer.catch(() => {});
      return answer;
    };
  };
  const redis = new Proxy(client, {
    get(_target, name) {
      const held = methods.get(name);
      if (held !== undefined) return held;
      const member: unknown = Reflect.get(client, name);
      if (typeof member !== "function") return member;
      const method = oneAtATime(member as Send);
      methods.set(name, method);
      return method;
    },
  });
  return { redis, commands: () => commands };
};
