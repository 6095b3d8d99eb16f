// A load and the node that it loads, in a process of their own on the compute side's cores. Started by `split-stack.ts`. The load does not go
// through the gateway: what HTTP costs would be the same for all that is compared, and would hide the differences between them.

import { setTimeout } from "node:timers/promises";
import { createGateway } from "#compute/gateway/server.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import { readNodeConfig } from "#compute/node/config.ts";
import { openNode, type Node } from "#compute/node/node.ts";
import { openProcessLog } from "#compute/node/process-log.ts";
import type { PlacementOverview } from "#compute/placement/answers.ts";
import type { CostConstants } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { servePeer } from "../harness/peer-process.ts";
import { weighCalls } from "./call-works.ts";
import { runLoad, type Calls, type Phase } from "./load.ts";
import { predict, type Prediction } from "./prediction.ts";
import { newRule, type RuleName } from "./rule-names.ts";
import { sharesRule, type Rule } from "./rule.ts";
import type { SuiteCall } from "./suite.ts";

export type LoadProcessRequest =
  | { readonly kind: "open"; readonly redisPort: number }
  /** For loads from elsewhere; answers with the gateway's URL. */
  | { readonly kind: "listen" }
  /** What a rule has learnt under this memory it still knows the next time. */
  | { readonly kind: "load"; readonly phases: readonly Phase[]; readonly rule: RuleName; readonly memory: string }
  | {
      readonly kind: "predict";
      readonly function: string;
      readonly calls: readonly SuiteCall[];
      readonly warmUpMs: number;
      readonly budgetMs: number;
      readonly callsMin: number;
    }
  /** How much work each of these calls is. */
  | { readonly kind: "weigh"; readonly function: string; readonly calls: readonly SuiteCall[] }
  /** How often these functions were moved so far, and moved back. */
  | { readonly kind: "moves"; readonly functions: readonly string[] };

export interface Moves {
  readonly moves: number;
  readonly reverts: number;
}

type LoadProcessAnswer = Calls | readonly Prediction[] | Float64Array | Moves | string | null;

const CALIBRATED_WITHIN_MS = 60_000;
const CALIBRATED_LOOK_MS = 50;

const log = openProcessLog("silent");
let node: Node | undefined;
const rules = new Map<string, Rule>();
const random = seededRandom(2);

servePeer(async (request: LoadProcessRequest): Promise<LoadProcessAnswer> => {
  if (request.kind === "open") {
    const settings = { LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: String(request.redisPort) };
    node = await openNode(readNodeConfig(settings), log);
    await node.supervisor.ready();
    await node.catalogue.list();
    await calibrated(node);
    return null;
  }
  if (node === undefined) throw new Error("the node was not opened");
  const { invoker, placement } = node;
  if (request.kind === "listen") return listen(node);
  if (request.kind === "moves") return movesOf(await placement?.overview(), request.functions);
  if (request.kind === "predict") return predict(invoker, request, { ...request, constants: await constantsOf(node) });
  if (request.kind === "weigh") return weighCalls(invoker, request);
  const { phases, rule: name, memory } = request;
  return runLoad(invoker, phases, await ruleFor(name, memory, node), random);
});

/** Nothing is asked of it before: who has to place calls knows what they cost, as a node does that is not called from its first moment on. */
async function calibrated({ placement }: Node): Promise<void> {
  const untilMs = performance.now() + CALIBRATED_WITHIN_MS;
  while ((await placement?.overview())?.constantsFrom !== "measured") {
    if (performance.now() > untilMs) throw new Error("the node was not calibrated");
    await setTimeout(CALIBRATED_LOOK_MS);
  }
}

async function ruleFor(name: RuleName, memory: string, loaded: Node): Promise<Rule> {
  // It has learnt nothing.
  if (name.kind === "shares") return sharesRule(name.shares);
  const rule = rules.get(memory) ?? newRule(name, await constantsOf(loaded));
  rules.set(memory, rule);
  rule.resume?.();
  return rule;
}

async function listen(parts: Node): Promise<string> {
  const { httpBodyBytesMax: bodyBytesMax, httpConnectionsMax: connectionsMax } = readNodeConfig({});
  const gateway = await createGateway({ ...parts, log }, { bodyBytesMax, connectionsMax });
  return gateway.listen({ host: "127.0.0.1", port: 0 });
}

const constantsOf = async ({ placement }: Node): Promise<CostConstants> =>
  (await placement?.overview())?.constants ?? DEFAULT_CONSTANTS;

function movesOf(overview: PlacementOverview | undefined, names: readonly string[]): Moves {
  const functions = overview?.functions.filter(({ function: name }) => names.includes(name)) ?? [];
  const sumOf = (count: keyof Moves): number => functions.reduce((sum, one) => sum + (one[count] ?? 0), 0);
  return { moves: sumOf("moves"), reverts: sumOf("reverts") };
}
