// A load that comes to a node over HTTP, from a process of its own. Started by `offered.ts`.

import { seededRandom } from "#runtime/seeded-random.ts";
import { servePeer } from "../harness/peer-process.ts";
import { runLoad, type Calls, type Phase } from "../placement/load.ts";
import { planRule } from "../placement/rule.ts";
import { HttpInvoker } from "./http-invoker.ts";

export interface HttpLoadRequest {
  /** Of the gateway. */
  readonly url: string;
  readonly phases: readonly Phase[];
}

const random = seededRandom(3);

servePeer(async ({ url, phases }: HttpLoadRequest): Promise<Calls> => {
  const invoker = new HttpInvoker(url);
  try {
    return await runLoad(invoker, phases, planRule, random);
  } finally {
    invoker.close();
  }
});
