// What does shutting the sandbox in cost the functions inside?
//
// Method. Two stacks that differ in one setting: sandbox hosts with all the confinement that the machine allows (system call
// filters in two stages, namespaces, an unprivileged user), and with none. The same calls to both, in turn: chains and
// fan-outs of GETs on either side, and a sieve and SHA-256 beside the data, as in `access`; walks of depth 5 over a generated social
// graph beside the data, 1 and 16 in flight, as in `khop`. While one stack is measured the other sleeps.
//
// Expectation. Nothing: filters look at system calls, and the ways of an invocation have few. A round over a socket is the one
// that has some.

import { PIPELINED_IN_FLIGHT } from "#compute/cli/redisclient.ts";
import type { Workload } from "#compute/cli/workload.ts";
import type { Health } from "#compute/node/health.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { Confinement } from "#runtime/sandbox/supervisor.ts";
import { readInfo } from "#test/module-info.ts";
import { besidePeer, computePeer, cpuPeer } from "./access/peers.ts";
import { ringEntries } from "./access/values.ts";
import { chainOf, fanoutOf, GENERATED_DIGEST, SIEVE } from "./access/workloads.ts";
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
const FUNCTIONS = [
  "bench/access/chain-gets.ts",
  "bench/access/fanout-gets.ts",
  "functions/sieve.ts",
  "functions/sha256.ts",
  "functions/khop.ts",
];
/** The parts of the confinement that look at system calls (docs/security.md). */
const FILTERS = ["calls", "threads"];
/** What is measured of each, time (less is better) or how much is done in a second (more is), by the name of its ratio. */
const WORKS = {
  storageChainKept: { work: "storage, chain", measured: "time" },
  storageFanoutKept: { work: "storage, fan-out", measured: "time" },
  storageSieveKept: { work: "storage, sieve", measured: "time" },
  storageSha256Kept: { work: "storage, sha256", measured: "time" },
  computeChainKept: { work: "compute, chain", measured: "rate" },
  computeFanoutKept: { work: "compute, fan-out", measured: "rate" },
  storageKhopKept: { work: "storage, khop, 1 in flight", measured: "rate" },
  storageKhopManyKept: { work: "storage, khop, 16 in flight", measured: "rate" },
} as const satisfies Readonly<Record<string, Work>>;

interface Work {
  readonly work: string;
  readonly measured: "time" | "rate";
}

await runBenchmark<Effort>({
  name: "confinement",
  question: "What does shutting the sandbox in cost the functions inside?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, budgetMs: 20, reads: 1_000, socketReads: 100, walks: 20 },
    standard: { warmUps: 2, repetitions: 9, budgetMs: 500, reads: 20_000, socketReads: 2_000, walks: 400 },
    full: { warmUps: 2, repetitions: 15, budgetMs: 2_000, reads: 20_000, socketReads: 2_000, walks: 1_000 },
  },
  ratios: {
    ...Object.fromEntries(Object.entries(WORKS).map(([name, work]) => [name, comparison(work)])),
    confinedKept: { better: "more", must: 0.95, aim: 0.99, worstOf: Object.keys(WORKS) },
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
  const nameOf = (kept: keyof typeof WORKS): string => named(WORKS[kept].work, confinement);
  const ways = {
    [nameOf("storageKhopKept")]: { kind: "batch", side: "storage", inFlight: 1 },
    [nameOf("storageKhopManyKept")]: { kind: "batch", side: "storage", inFlight: PIPELINED_IN_FLIGHT },
  } as const;
  const callers = await startCallers(ways, stack, workload, resources);
  const peers = [
    besidePeer(options, nameOf("storageChainKept"), chain, () => call("bench-chain", 0, JSON.stringify(chain.args))),
    besidePeer(options, nameOf("storageFanoutKept"), fanout, () =>
      call("bench-fanout", fanout.keys.length, ...fanout.keys, JSON.stringify(fanout.args)),
    ),
    cpuPeer(options, nameOf("storageSieveKept"), { primes: SIEVE.primes }, () =>
      call("sieve", 0, JSON.stringify({ below: SIEVE.below })),
    ),
    cpuPeer(options, nameOf("storageSha256Kept"), GENERATED_DIGEST, () => call("sha256", 0)),
    computePeer(options, nameOf("computeChainKept"), "bench-chain", socketChain),
    computePeer(options, nameOf("computeFanoutKept"), "bench-fanout", socketFanout),
    ...callers.map((caller) => peerOf(caller, stack)),
  ];
  return { peers, parts: await confinementOf(stack) };
}

async function confinementOf({ url, redis }: PlacedStack): Promise<ConfinedStack["parts"]> {
  const { compute } = (await (await fetch(`${url}/readyz`)).json()) as Health;
  const about = (await readInfo(redis.client())).get("host0_about") ?? "";
  const { confinement } = JSON.parse(about === "" ? "{}" : about) as { readonly confinement?: readonly string[] };
  return { compute: compute.confinement, storage: confinement ?? [] };
}

/** What is left of the speed. */
function comparison({ work, measured }: Work): Comparison {
  const [confined, free] = [named(work, "on"), named(work, "off")];
  return {
    better: "more",
    of: (value) => (measured === "time" ? value(free) / value(confined) : value(confined) / value(free)),
  };
}

function named(work: string, confinement: Confinement): string {
  return `${work}, confinement ${confinement}`;
}
