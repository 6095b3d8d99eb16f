// The peers of `start`: each is one figure.

import { setTimeout as sleep } from "node:timers/promises";
import type { Side } from "#runtime/profile/sample.ts";
import type { Measure, Peer } from "../harness/contest.ts";
import type { Layout } from "../harness/cores.ts";
import type { PlacedStack } from "../harness/placed-stack.ts";
import { residentBytesOf, watchCpu } from "../harness/processes.ts";
import { medianOf } from "../harness/statistics.ts";
import { FreshFunction, type FirstCall } from "./fresh-function.ts";
import { hostOf, restartHost } from "./host-restart.ts";
import { type TakeOver, takeOvers } from "./take-over.ts";

interface Effort {
  readonly calls: number;
  readonly warmCalls: number;
  readonly isolates: number;
  readonly deaths: number;
  /** After the last call until the stack counts as idle: nodes have measured what they run on, compilers and collectors have come to rest. */
  readonly restMs: number;
  readonly idleMs: number;
}

const SIDES: readonly Side[] = ["compute", "storage"];
const MB = 1 << 20;
/** What an isolate that has just been opened still has compiled is compiled by then. */
const OPENED_MS = 300;
/** Of an isolate that has just been opened: compilers have it by then. */
const WARMING_CALLS = 40;

export async function startPeers(stack: PlacedStack, layout: Layout, effort: Effort): Promise<readonly Peer[]> {
  const fresh = await FreshFunction.bundle(stack.url);
  return [
    ...SIDES.flatMap((side) => firstCallPeers(fresh, side, effort.calls)),
    ...SIDES.map((side) => ({
      name: `warm start, ${side}`,
      unit: "µs",
      run: () => warmStart(fresh, side, effort.warmCalls),
    })),
    ...SIDES.map((side) => ({ name: `host restart, ${side}`, unit: "ms", run: () => restart(stack, fresh, side) })),
    { name: "isolate, memory", unit: "MiB", run: () => isolateMemory(stack, fresh, effort.isolates) },
    ...takeOverPeers(layout, effort.deaths),
    { name: "idle stack, CPU", unit: "of a core", run: () => idleCpu(stack, effort) },
    { name: "idle node and host, memory", unit: "MiB", run: async () => idleMemory(stack) },
  ];
}

/** Two figures of the same calls; the second peer runs right after the first. */
function firstCallPeers(fresh: FreshFunction, side: Side, calls: number): Peer[] {
  let measured: readonly FirstCall[] = [];
  const median = (pick: (call: FirstCall) => number): Measure => ({ value: medianOf(measured.map(pick)) });
  return [
    {
      name: `first call, ${side}`,
      unit: "ms",
      run: async () => {
        const firstCalls: FirstCall[] = [];
        for (let call = 0; call < calls; call++) firstCalls.push(await fresh.firstCall(side));
        measured = firstCalls;
        return median(({ elapsedMs }) => elapsedMs);
      },
    },
    { name: `isolate, ${side}`, unit: "ms", run: async () => median(({ isolateMs }) => isolateMs) },
  ];
}

/** Two figures of the same deaths, of each the worst; the second peer runs right after the first. */
function takeOverPeers(layout: Layout, deaths: number): Peer[] {
  let seen: readonly TakeOver[] = [];
  const worst = (pick: (takeOver: TakeOver) => number): Measure => ({ value: Math.max(...seen.map(pick)) });
  return [
    {
      name: "taking over",
      unit: "s",
      run: async () => {
        seen = await takeOvers(layout, deaths);
        return worst(({ seconds }) => seconds);
      },
    },
    { name: "calibration", unit: "ms", run: async () => worst(({ calibrateMs }) => calibrateMs) },
  ];
}

/** Of calls that find their isolate open and idle: what is left of the time in the sandbox beside the function's own turn. */
async function warmStart(fresh: FreshFunction, side: Side, calls: number): Promise<Measure> {
  await fresh.firstCall(side);
  const handOversUs: number[] = [];
  for (let call = -WARMING_CALLS; call < calls; call++) {
    const { usage } = await fresh.call(side);
    if (call >= 0) handOversUs.push(usage ? usage.wallUs - usage.cpuUs - usage.waitUs : Number.NaN);
  }
  return { value: medianOf(handOversUs) };
}

async function restart(stack: PlacedStack, fresh: FreshFunction, side: Side): Promise<Measure> {
  return { value: await restartHost(stack, fresh, side) };
}

/** Of a host that has just started: one isolate is open in both readings, so that what is made with the first counts for none. */
async function isolateMemory(stack: PlacedStack, fresh: FreshFunction, isolates: number): Promise<Measure> {
  await restartHost(stack, fresh, "compute");
  const resident = async (): Promise<number> => {
    await sleep(OPENED_MS);
    return residentBytesOf([hostOf(stack, "compute")]);
  };
  const names = Array.from({ length: isolates }, (_, index) => `empty-${index}`);
  for (const name of names) await fresh.deploy(name);
  const before = await resident();
  for (const name of names) await fresh.call("compute", name);
  const after = await resident();
  return { value: (after - before) / isolates / MB };
}

async function idleCpu(stack: PlacedStack, { restMs, idleMs }: Effort): Promise<Measure> {
  await sleep(restMs);
  const { redis, storageHost, node, computeHost } = stack.processes();
  const groups = { redis, storageHost, node, computeHost };
  const { cpuUs } = await watchCpu(groups, () => sleep(idleMs));
  const share = (us: number): number => us / 1e3 / idleMs;
  return {
    value: share(Object.values(cpuUs).reduce((sum, us) => sum + us, 0)),
    details: {
      redis: share(cpuUs.redis),
      storageHost: share(cpuUs.storageHost),
      node: share(cpuUs.node),
      computeHost: share(cpuUs.computeHost),
    },
  };
}

function idleMemory(stack: PlacedStack): Measure {
  const { node, computeHost } = stack.processes();
  const [nodeMb, hostMb] = [residentBytesOf(node) / MB, residentBytesOf(computeHost) / MB];
  return { value: nodeMb + hostMb, details: { nodeMb, hostMb } };
}
