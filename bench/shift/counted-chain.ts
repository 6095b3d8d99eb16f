// A chain of dependent reads and computing, as `chain`, whose last step is a write that counts it: how often each call was run to its end
// stands in Redis afterwards. The write comes last, so that a call may be pushed back before it as any chain may.

import { defineFunction, type Invocation } from "locus/function";
import chain from "../../functions/chain.ts";

/** What a call has besides what a chain takes. */
interface CountedArgs {
  /** Its number. */
  readonly call: number;
}

type ChainArgs = Parameters<typeof chain.run>[0]["args"];

export default defineFunction({
  name: "counted-chain",
  async run({ args: { call, ...args }, ...rest }: Invocation<CountedArgs & ChainArgs>) {
    const came = await chain.run({ ...rest, args });
    // The first key is a hash: a field for each call.
    await rest.redis.hincrby(rest.keys[0]!, String(call), 1);
    return came;
  },
});
