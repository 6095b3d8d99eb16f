// How much work each call of a function is, where that is the input's matter: of walks one in a hundred takes seven times the mean, and stretches of 64
// come to 0.4 to 2.1 times of it. Calls per second of whatever stretch a rule gets to would tell of the stretch: such calls are counted by their work.

import type { Invoker } from "#compute/node/invoker.ts";
import { callOnce } from "./single-call.ts";
import type { SplitStack } from "./split-stack.ts";
import type { Workload } from "./suite.ts";

/** Each call is made so often; the first time warms up what it runs on, and what disturbs one time does not count. */
const PASSES = 3;

/** The same functions; of those whose calls are uneven it is known how much work each is. They are deployed. */
export async function withWorks({ load }: SplitStack, suite: readonly Workload[]): Promise<readonly Workload[]> {
  const known: Workload[] = [];
  for (const workload of suite) {
    const { name, calls, isUneven } = workload;
    const works = isUneven ? await load.ask<Float64Array>({ kind: "weigh", function: name, calls }) : null;
    known.push({ ...workload, works });
  }
  return known;
}

/** By call, in means of all: what it takes at storage, where it waits for nothing else, one at a time. */
export async function weighCalls(
  invoker: Invoker,
  { function: name, calls }: Pick<Workload, "calls"> & { readonly function: string },
): Promise<Float64Array> {
  const took = new Float64Array(calls.length).fill(Infinity);
  for (let pass = 0; pass < PASSES; pass++) {
    for (const [index, call] of calls.entries()) {
      const { elapsedUs } = await callOnce(invoker, name, call, "storage");
      took[index] = Math.min(took[index]!, elapsedUs);
    }
  }
  const mean = took.reduce((sum, us) => sum + us, 0) / took.length;
  return took.map((us) => us / mean);
}
