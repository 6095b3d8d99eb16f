// What does one read of a value cost, and one step of computing, in a function beside Redis, in a function on the compute
// side, and in what an expert would write instead: a Redis function in Lua, a plain Node program with ioredis?
//
// Method. A ring of 10,000 values of 100 bytes, each naming the next. `chain`: a call follows the ring for thousands of
// dependent GETs. `fan-out`: a call reads 100 keys at once, hundreds of times. Calls so long that calling does not matter; nothing
// is subtracted. Beside Redis both peers are called from one client over its Unix socket (LOCUS.CALL, FCALL). On the
// compute side the function runs in a sandbox host, called through the gateway, and the client in a process of its own; both reach
// Redis over TCP on this machine, and run the same source. The fan-out is compared with the faster of automatic and
// explicit pipelining. Computing: the sieve below 1,000,000 and SHA-256 of 64 KiB, the same algorithm in JavaScript and Lua.
//
// Expectation. A GET inside Lua costs 0.2 µs and one over the ring 0.6 µs; so the chain is about three times Lua's, and a
// fan-out, which pays the crossing once, near Lua's own. A round trip over a socket costs 50 µs whoever makes it. A
// compiler beats Lua's interpreter by ten times and more.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { besidePeer, clientPeer, computePeer, cpuPeer } from "./access/peers.ts";
import { ringEntries, VALUE_BYTES } from "./access/values.ts";
import { chainOf, FANOUT_WIDTH, fanoutOf, GENERATED_DIGEST, SIEVE } from "./access/workloads.ts";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { pairLayout } from "./harness/cores.ts";
import { NOTHING_PLACED, startPlacedStack } from "./harness/placed-stack.ts";

interface Effort extends Repeats {
  /** Of one repetition of one peer. */
  readonly budgetMs: number;
  /** GETs of one call beside Redis. */
  readonly reads: number;
  /** The same over a socket, where each costs a hundred times as much. */
  readonly socketReads: number;
}

const SEED = 1;
const LUA_LIBRARY = join(import.meta.dirname, "access", "peers.lua");
const FUNCTIONS = [
  "bench/access/chain-gets.ts",
  "bench/access/fanout-gets.ts",
  "functions/sieve.ts",
  "functions/sha256.ts",
];

await runBenchmark<Effort>({
  name: "access",
  question: "What does one read cost in a function, against Lua in Redis and against a plain client?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, budgetMs: 20, reads: 1_000, socketReads: 100 },
    standard: { warmUps: 2, repetitions: 7, budgetMs: 500, reads: 20_000, socketReads: 2_000 },
    full: { warmUps: 2, repetitions: 11, budgetMs: 2_000, reads: 20_000, socketReads: 2_000 },
  },
  ratios: {
    storageChainPerLua: {
      better: "less",
      must: 4,
      aim: 2,
      of: (value) => value("storage, chain") / value("Lua, chain"),
    },
    storageFanoutPerLua: {
      better: "less",
      must: 2,
      aim: 1.2,
      of: (value) => value("storage, fan-out") / value("Lua, fan-out"),
    },
    computeChainVsClient: {
      better: "more",
      must: 0.95,
      aim: 1.2,
      of: (value) => value("compute, chain") / value("ioredis, chain"),
    },
    computeFanoutVsClient: {
      better: "more",
      must: 0.95,
      aim: 1.3,
      of: (value) =>
        value("compute, fan-out") /
        Math.max(value("ioredis, fan-out, auto-pipelined"), value("ioredis, fan-out, pipeline()")),
    },
    storageCpuVsLua: {
      better: "more",
      must: 5,
      aim: 10,
      of: (value) =>
        Math.min(value("Lua, sieve") / value("storage, sieve"), value("Lua, sha256") / value("storage, sha256")),
    },
  },
  layout: pairLayout,
  async prepare({ effort, layout, resources, say }) {
    say("starting Redis and a node");
    const stack = await startPlacedStack(FUNCTIONS, layout, resources, { settings: NOTHING_PLACED });
    const redis = stack.redis.client();
    await redis.mset(...ringEntries(SEED));
    await redis.call("FUNCTION", "LOAD", readFileSync(LUA_LIBRARY));

    const lua = (name: string, ...words: readonly (string | number)[]): Promise<unknown> =>
      redis.call("FCALL", `bench_${name}`, ...words);
    const storage = async (name: string, ...words: readonly (string | number)[]): Promise<unknown> =>
      JSON.parse((await redis.call("LOCUS.CALL", name, ...words)) as string);
    const [chain, fanout] = [chainOf(effort.reads, SEED), fanoutOf(effort.reads)];
    const [socketChain, socketFanout] = [chainOf(effort.socketReads, SEED), fanoutOf(effort.socketReads)];
    const keys = [FANOUT_WIDTH, ...fanout.keys];
    const options = { stack, budgetMs: effort.budgetMs, resources };

    return {
      config: { seed: SEED, valueBytes: VALUE_BYTES, fanoutWidth: FANOUT_WIDTH, sieveBelow: SIEVE.below },
      peers: [
        besidePeer(options, "Lua, chain", chain, () => lua("chain", 0, chain.args.first, chain.args.reads)),
        besidePeer(options, "storage, chain", chain, () => storage("bench-chain", 0, JSON.stringify(chain.args))),
        besidePeer(options, "Lua, fan-out", fanout, () => lua("fanout", ...keys, fanout.args.turns)),
        besidePeer(options, "storage, fan-out", fanout, () =>
          storage("bench-fanout", ...keys, JSON.stringify(fanout.args)),
        ),
        await clientPeer(options, "ioredis, chain", "chain", socketChain),
        computePeer(options, "compute, chain", "bench-chain", socketChain),
        await clientPeer(options, "ioredis, fan-out, auto-pipelined", "auto-pipelined", socketFanout),
        await clientPeer(options, "ioredis, fan-out, pipeline()", "pipeline()", socketFanout),
        computePeer(options, "compute, fan-out", "bench-fanout", socketFanout),
        cpuPeer(options, "Lua, sieve", SIEVE.primes, () => lua("sieve", 0, SIEVE.below)),
        cpuPeer(options, "storage, sieve", { primes: SIEVE.primes }, () =>
          storage("sieve", 0, JSON.stringify({ below: SIEVE.below })),
        ),
        cpuPeer(options, "Lua, sha256", GENERATED_DIGEST.sha256, () => lua("sha256", 0)),
        cpuPeer(options, "storage, sha256", GENERATED_DIGEST, () => storage("sha256", 0)),
      ],
    };
  },
});
