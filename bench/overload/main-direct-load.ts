// A load that comes straight to Redis, from a process of its own. Started by `leaving.ts`.

import { seededRandom } from "#runtime/seeded-random.ts";
import { servePeer } from "../harness/peer-process.ts";
import { runLoad, type Calls, type Phase } from "../placement/load.ts";
import { planRule } from "../placement/rule.ts";
import { DirectInvoker, withSides } from "./direct-invoker.ts";

export interface DirectLoadRequest {
  /** Of Redis: the same each time. */
  readonly port: number;
  readonly phases: readonly Phase[];
}

const random = seededRandom(4);

let opened: Promise<DirectInvoker> | undefined;

servePeer(async ({ port, phases }: DirectLoadRequest): Promise<Calls> => {
  const invoker = await (opened ??= DirectInvoker.open(port));
  const over = new AbortController();
  const startedMs = performance.now();
  const load = runLoad(invoker, phases, planRule, random).finally(() => over.abort());
  const [calls, looks] = await Promise.all([load, invoker.watchHanded(over.signal)]);
  return withSides(calls, looks, startedMs);
});
