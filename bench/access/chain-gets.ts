// Reads values one after the other, each key taken from the value before: what a dependent GET costs, and nothing else. The
// same source runs in the sandbox and, with ioredis, in plain Node.

import { defineFunction, type Invocation } from "locus/function";
import { KEY_LENGTH } from "./values.ts";

export interface ChainArgs {
  readonly first: string;
  readonly reads: number;
}

export default defineFunction({
  name: "bench-chain",
  limits: { deadlineMs: 60_000, cpuMs: 60_000 },
  async run({ redis, args: { first, reads } }: Invocation<ChainArgs>) {
    let key = first;
    for (let read = 0; read < reads; read++) key = (await redis.get(key))!.slice(0, KEY_LENGTH);
    return key;
  },
});
