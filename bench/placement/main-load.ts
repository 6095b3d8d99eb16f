// A load and the node that it loads, in a process of their own on the compute side's cores. Started by `split-stack.ts`.

import { seededRandom } from "#compute/cli/load/seeded-random.ts";
import type { Invoker } from "#compute/node/invoker.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { servePeer } from "../harness/peer-process.ts";
import { runLoad, type Calls, type Phase } from "./load.ts";
import { openNode } from "./node-in-process.ts";
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
    invoker = await openNode(request.redisPort);
    return null;
  }
  if (invoker === undefined) throw new Error("the node was not opened");
  if (request.kind === "predict") return predict(invoker, request, { ...request, constants: DEFAULT_CONSTANTS });
  const { phases, rule: name, memory } = request;
  const rule = rules.getOrInsertComputed(memory, () => newRule(name));
  return runLoad(invoker, phases, rule, random);
});
