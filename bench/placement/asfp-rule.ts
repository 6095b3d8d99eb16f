// The rule of ASFP (Bhardwaj, Kulkarni, Stutsman: Adaptive Placement for In-memory Storage Functions, USENIX ATC 2020), from its
// artifact (utah-scs/splinter 7382303: db/src/sched.rs, db/src/context.rs, sandstorm/src/common.rs).
//
// Every invocation starts at the store. While the store is overloaded, which is so when new work has arrived and four tasks or more
// wait, those that have computed for longer than serving their reads alone would have taken are stopped and pushed back to their client.
// It keeps no memory of a function.
//
// Here, in its favour: what would be pushed back goes to the compute side at once, and the first slices that it would have run in vain
// are not paid; whether a call will compute for too long is known beforehand, from the call of its function before (a guess
// where calls differ). Its second sign of overload, a millisecond between two polls of the network, cannot be seen from outside; the queue tells as much.

import type { Ended, Rule } from "./rule.ts";

/** MAX_RX_PACKETS / 8: tasks that wait. */
const QUEUE_OVERLOADED = 4;
/** CREDIT_LIMIT. */
const CREDIT_US = 0.5;
/** What serving one read costs the store anyway: `db_time`. Redis' own price of a GET over a socket (bench `access`). */
const READ_US = 0.6;

/** `runningMax`: calls that the storage side runs at once; more of them wait. */
export function asfpRule(runningMax: number): Rule {
  let atStorage = 0;
  const excessUs = new Map<string, number>();
  return {
    choose(name) {
      const isOverloaded = atStorage - runningMax >= QUEUE_OVERLOADED;
      if (isOverloaded && (excessUs.get(name) ?? 0) > CREDIT_US) return "compute";
      atStorage += 1;
      return "storage";
    },
    observe({ function: name, side, usage }: Ended) {
      if (side === "storage") atStorage -= 1;
      if (usage !== null) excessUs.set(name, usage.cpuUs - READ_US * usage.operations);
    },
  };
}
