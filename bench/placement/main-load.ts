// A load and the node that it loads, in a process of their own on the compute side's cores. Started by `split-stack.ts`. The node has no
// gateway: what HTTP costs would be the same for all that is compared, and would hide the differences between them.

import { seededRandom } from "#runtime/seeded-random.ts";
import { readNodeConfig } from "#compute/node/config.ts";
import type { Invoker } from "#compute/node/invoker.ts";
import { openNode } from "#compute/node/node.ts";
import { openProcessLog } from "#compute/node/process-log.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { servePeer } from "../harness/peer-process.ts";
import { runLoad, type Calls, type Phase } from "./load.ts";
import { predict, type Prediction } from "./prediction.ts";
import { newRule, type RuleName } from "./rule-names.ts";
import type { Rule } from "./rule.ts";
import type { SuiteCall } from "./suite.ts";

export type LoadProcessRequest =
  | { readonly kind: "open"; readonly redisPort: number }
  /** What a rule has learnt under this memory it still knows the next time. */
  | { readonly kind: "load"; readonly phases: readonly Phase[]; readonly rule: RuleName; readonly memory: string }
  | {
      readonly kind: "predict";
      readonly function: string;
      readonly calls: readonly SuiteCall[];
      readonly budgetMs: number;
      readonly callsMin: number;
    };

let invoker: Invoker | undefined;
const rules = new Map<string, Rule>();
const random = seededRandom(2);

servePeer(async (request: LoadProcessRequest): Promise<Calls | readonly Prediction[] | null> => {
  if (request.kind === "open") {
    const settings = { LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: String(request.redisPort) };
    const node = await openNode(readNodeConfig(settings), openProcessLog("silent"));
    await node.supervisor.ready();
    await node.catalogue.list();
    invoker = node.invoker;
    return null;
  }
  if (invoker === undefined) throw new Error("the node was not opened");
  if (request.kind === "predict") return predict(invoker, request, { ...request, constants: DEFAULT_CONSTANTS });
  const { phases, rule: name, memory } = request;
  const rule = rules.getOrInsertComputed(memory, () => newRule(name));
  return runLoad(invoker, phases, rule, random);
});
