// What does shutting the sandbox in cost the functions inside?
//
// Method. Two stacks that differ in one setting: sandbox hosts with all the confinement that the machine allows (system call
// filters in two stages, namespaces, an unprivileged user), and with none. The same calls to both, in turn: chains and
// fan-outs of GETs on either side, as in `access`, and walks of depth 5 over a generated social graph beside the data, as in `khop`.
// While one stack is measured the other sleeps.
//
// Expectation. Nothing: filters look at system calls, and the ways of an invocation have few. A round over a socket is the one
// that has some.

import type { Workload } from "#compute/cli/workload.ts";
import type { Health } from "#compute/node/health.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { Confinement } from "#runtime/sandbox/supervisor.ts";
import { besidePeer, computePeer } from "./access/peers.ts";
import { ringEntries } from "./access/values.ts";
import { chainOf, fanoutOf } from "./access/workloads.ts";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Comparison, Peer, Repeats } from "./harness/contest.ts";
import { pairLayout, type Layout } from "./harness/cores.ts";
import { NOTHING_PLACED, startPlacedStack, type PlacedStack } from "./harness/placed-stack.ts";
import { peerOf, startCallers } from "./khop/callers.ts";
import { loadSocialGraph } from "./khop/social-graph.ts";

interface Effort extends Repeats {
  /** Of one repetition of one peer. */
  readonly budgetMs: number;
  readonly reads: number;
  readonly socketReads: number;
  readonly walks: number;
}

const SEED = 1;
const DEPTH = 5;
const FUNCTIONS = ["bench/access/chain-gets.ts", "bench/access/fanout-gets.ts", "functions/khop.ts"];
/** The parts of the confinement that look at system calls (docs/security.md). */
const FILTERS = ["calls", "threads"];
const WALK = "storage, khop";
/** Of each: time per GET (less is better), or calls and GETs per second (more is). */
const TIMES = ["storage, chain", "storage, fan-out"];
const RATES = ["compute, chain", "compute, fan-out", WALK];

await runBenchmark<Effort>({
  name: "confinement",
  question: "What does shutting the sandbox in cost the functions inside?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, budgetMs: 20, reads: 1_000, socketReads: 100, walks: 20 },
    standard: { warmUps: 2, repetitions: 9, budgetMs: 500, reads: 20_000, socketReads: 2_000, walks: 400 },
    full: { warmUps: 2, repetitions: 15, budgetMs: 2_000, reads: 20_000, socketReads: 2_000, walks: 1_000 },
  },
  ratios: {
    ...Object.fromEntries([...TIMES, ...RATES].map((work) => [keptName(work), comparison(work)])),
    confinedKept: { better: "more", must: 0.95, aim: 0.99, worstOf: [...TIMES, ...RATES].map(keptName) },
  },
  layout: pairLayout,
  async prepare({ effort, layout, resources, say }) {
    say("starting two stacks");
    const confined = await confinedStack("on", layout, effort, resources, say);
    const free = await confinedStack("off", layout, effort, resources, say);
    // Where the machine allows no filters for system calls, there would be nothing to compare.
    for (const [side, parts] of Object.entries(confined.parts)) {
      const missing = FILTERS.filter((part) => !parts.includes(part));
      if (missing.length > 0)
        throw new Error(`this machine does not confine hosts at ${side}: no ${missing.join(", ")}`);
    }
    return {
      config: { seed: SEED, depth: DEPTH, confinedBy: confined.parts },
      // Side by side: a disturbance of seconds meets both.
      peers: confined.peers.flatMap((peer, index) => [peer, free.peers[index]!]),
    };
  },
});

interface ConfinedStack {
  readonly peers: readonly Peer[];
  /** What holds its hosts, by side. */
  readonly parts: Readonly<Record<Side, readonly string[]>>;
}

async function confinedStack(
  confinement: Confinement,
  layout: Layout,
  effort: Effort,
  resources: AsyncDisposableStack,
  say: (text: string) => void,
): Promise<ConfinedStack> {
  const stack = await startPlacedStack(FUNCTIONS, layout, resources, { confinement, settings: NOTHING_PLACED });
  const redis = stack.redis.client();
  await redis.mset(...ringEntries(SEED));
  await loadSocialGraph(stack.redis.port, null, say);
  const call = async (name: string, ...words: readonly (string | number)[]): Promise<unknown> =>
    JSON.parse((await redis.call("LOCUS.CALL", name, ...words)) as string);
  const [chain, fanout] = [chainOf(effort.reads, SEED), fanoutOf(effort.reads)];
  const [socketChain, socketFanout] = [chainOf(effort.socketReads, SEED), fanoutOf(effort.socketReads)];
  const options = { stack, budgetMs: effort.budgetMs, resources };
  const workload: Workload = { function: "khop", repeats: 1, count: effort.walks, args: { depth: DEPTH } };
  const ways = { [named(WALK, confinement)]: { kind: "batch", side: "storage", inFlight: 1 } } as const;
  const callers = await startCallers(ways, stack, workload, resources);
  const peers = [
    besidePeer(options, named("storage, chain", confinement), chain, () =>
      call("bench-chain", 0, JSON.stringify(chain.args)),
    ),
    besidePeer(options, named("storage, fan-out", confinement), fanout, () =>
      call("bench-fanout", fanout.keys.length, ...fanout.keys, JSON.stringify(fanout.args)),
    ),
    computePeer(options, named("compute, chain", confinement), "bench-chain", socketChain),
    computePeer(options, named("compute, fan-out", confinement), "bench-fanout", socketFanout),
    ...callers.map((caller) => peerOf(caller, stack)),
  ];
  return { peers, parts: await confinementOf(stack) };
}

async function confinementOf({ url, redis }: PlacedStack): Promise<ConfinedStack["parts"]> {
  const { compute } = (await (await fetch(`${url}/readyz`)).json()) as Health;
  const about = /^locus_host0_about:(.*?)\r?$/m.exec(await redis.client().info("locus"))?.[1] ?? "";
  const { confinement } = JSON.parse(about === "" ? "{}" : about) as { readonly confinement?: readonly string[] };
  return { compute: compute.confinement, storage: confinement ?? [] };
}

/** What is left of the speed. */
function comparison(work: string): Comparison {
  const [confined, free] = [named(work, "on"), named(work, "off")];
  return {
    better: "more",
    of: (value) => (TIMES.includes(work) ? value(free) / value(confined) : value(confined) / value(free)),
  };
}

/** "storage, fan-out" is storageFanoutKept. */
function keptName(work: string): string {
  const [side, what = ""] = work.split(", ");
  return `${side}${what.replace("-", "").replace(/^./, (letter) => letter.toUpperCase())}Kept`;
}

function named(work: string, confinement: Confinement): string {
  return `${work}, confinement ${confinement}`;
}
