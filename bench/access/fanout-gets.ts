// Reads all its keys at once, again and again: what one of many GETs of a turn costs, and nothing else. The same source runs
// in the sandbox and, with ioredis, in plain Node.

import { defineFunction, type Invocation } from "locus/function";

export interface FanoutArgs {
  readonly turns: number;
}

export default defineFunction({
  name: "bench-fanout",
  limits: { deadlineMs: 60_000, cpuMs: 60_000 },
  async run({ redis, args: { turns }, keys }: Invocation<FanoutArgs>) {
    let bytes = 0;
    for (let turn = 0; turn < turns; turn++) {
      for (const value of await Promise.all(keys.map((key) => redis.get(key)))) bytes += value!.length;
    }
    return bytes;
  },
});
