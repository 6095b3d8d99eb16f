// The peers of `density`: each is one figure.

import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Side } from "#runtime/profile/sample.ts";
import type { Measure, Peer } from "../harness/contest.ts";
import { residentBytesOf, watchCpu } from "../harness/processes.ts";
import { medianOf } from "../harness/statistics.ts";
import { hostOf, restartHost } from "../start/host-restart.ts";
import { startNodeOver, type NodeProcess } from "#test/node-process.ts";
import { functionName } from "./draw.ts";
import { calledOnce, loaded, type Load } from "./load.ts";
import { SIDES, type FilledStack } from "./stacks.ts";

export interface PeersEffort {
  /** Calls before the measured ones. */
  readonly leadInMs: number;
  /** Measured calls of one repetition. */
  readonly budgetMs: number;
  /** In one repetition; their median counts. */
  readonly deployments: number;
  /** Without calls before `idleMs`. */
  readonly restMs: number;
  /** The measured part of the rest. */
  readonly idleMs: number;
}

/** Isolates of all functions fit in memory on `few` and `warm`, but not on `most`. */
export interface Stacks {
  readonly few: FilledStack;
  readonly warm: FilledStack;
  readonly most: FilledStack;
}

const MB = 1 << 20;
/** Compilers have finished with a new isolate by then. */
const OPENED_MS = 500;
const READY_LOOK_MS = 2;

export function densityPeers({ few, warm, most }: Stacks, load: Load, effort: PeersEffort): readonly Peer[] {
  return [
    ...[...SIDES, null].flatMap((side) => [
      warmPeer("few", load, few, side, effort),
      warmPeer("warm", load, warm, side, effort),
    ]),
    ...SIDES.map((side) => zipfPeer(load, most, side, effort)),
    ...SIDES.flatMap((side) => coldPeers(load, warm, side)),
    ...restPeers(load, warm, effort),
    ...Object.entries({ few, most }).flatMap(([name, stack]) => [
      { name: `deployment, ${name}`, unit: "ms", run: () => deployment(stack, effort.deployments) },
      { name: `node start, ${name}`, unit: "ms", run: () => nodeStart(stack) },
    ]),
  ];
}

/** Each function has an isolate before the calls that count. `side` null: locus places them. */
const warmPeer = (name: string, load: Load, stack: FilledStack, side: Side | null, effort: PeersEffort): Peer => ({
  name: `${name}, ${side ?? "placed"}`,
  unit: "calls/s",
  run: async () => {
    await calledOnce(load, stack, side);
    await loaded(load, stack, { side, order: "uniform", budgetMs: effort.leadInMs });
    return loaded(load, stack, { side, order: "uniform", budgetMs: effort.budgetMs });
  },
});

/** More functions than fit in memory: the first run fills it with those that are drawn most often. */
function zipfPeer(load: Load, stack: FilledStack, side: Side, { leadInMs, budgetMs }: PeersEffort): Peer {
  let isFull = false;
  return {
    name: `zipf, ${side}`,
    unit: "calls/s",
    run: async () => {
      if (!isFull) await calledOnce(load, { ...stack, functions: stack.isolates }, side);
      isFull = true;
      await loaded(load, stack, { side, order: "zipf", budgetMs: leadInMs });
      return loaded(load, stack, { side, order: "zipf", budgetMs });
    },
  };
}

/** Two figures of the first call of each function after a restart of the host. One isolate is open before. */
function coldPeers(load: Load, stack: FilledStack, side: Side): readonly Peer[] {
  let memoryMb = Number.NaN;
  const cold = `cold call, ${side}`;
  const residentBytes = async (): Promise<number> => {
    await sleep(OPENED_MS);
    return residentBytesOf([hostOf(stack, side)]);
  };
  return [
    {
      name: cold,
      unit: "ms",
      run: async () => {
        await stack.empty.deploy();
        await restartHost(stack, stack.empty, side);
        const before = await residentBytes();
        const first = await calledOnce(load, stack, side);
        memoryMb = ((await residentBytes()) - before) / stack.functions / MB;
        const again = await calledOnce(load, stack, side);
        const details = { ...first.details, callsPerSecond: first.value, warmP50Us: again.p50Us };
        return { ...first, value: (first.p50Us - again.p50Us) / 1e3, details };
      },
    },
    { name: `isolate, ${side}`, unit: "MiB", tellsOf: [cold], run: async () => ({ value: memoryMb }) },
  ];
}

/** One figure for each side, of the same rest: CPU time of Redis, the node and the side's host. */
function restPeers(load: Load, stack: FilledStack, { restMs, idleMs }: PeersEffort): readonly Peer[] {
  const [first, second] = SIDES.map((side) => `at rest, ${side}`) as [string, string];
  let atRest: Readonly<Record<string, number>> = {};
  const measureOf = (host: "computeHost" | "storageHost"): Measure => {
    const { redis = Number.NaN, node = Number.NaN, [host]: ofHost = Number.NaN } = atRest;
    return { value: redis + node + ofHost, details: { redis, node, host: ofHost } };
  };
  return [
    {
      name: first,
      unit: "of a core",
      run: async () => {
        for (const side of SIDES) await calledOnce(load, stack, side);
        await sleep(restMs);
        const { cpuUs } = await watchCpu(stack.processes(), () => sleep(idleMs));
        atRest = Object.fromEntries(Object.entries(cpuUs).map(([part, us]) => [part, us / 1e3 / idleMs]));
        return measureOf("computeHost");
      },
    },
    { name: second, unit: "of a core", tellsOf: [first], run: async () => measureOf("storageHost") },
  ];
}

/** New versions of the last function. */
async function deployment({ deploy, functions }: FilledStack, deployments: number): Promise<Measure> {
  const elapsedMs: number[] = [];
  for (let count = 0; count < deployments; count++) {
    const startedMs = performance.now();
    await deploy(functionName(functions - 1));
    elapsedMs.push(performance.now() - startedMs);
  }
  return { value: medianOf(elapsedMs) };
}

/** From the start of another node's process until /readyz answers 200. */
async function nodeStart({ redis }: FilledStack): Promise<Measure> {
  const startedMs = performance.now();
  let node: NodeProcess | undefined;
  try {
    await startNodeOver(redis, (started) => (node = started), {}, { ready: false });
    while (!(await fetch(`${node!.url}/readyz`)).ok) await sleep(READY_LOOK_MS);
    return { value: performance.now() - startedMs };
  } finally {
    await node?.end("SIGTERM");
  }
}
