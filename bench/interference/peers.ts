// The peers of `interference`: plain clients and functions, each alone and both at once.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "#compute/cli/summary.ts";
import type { Measure, Peer } from "../harness/contest.ts";
import { startPeer, type PeerProcess } from "../harness/peer-process.ts";
import type { PlacedStack } from "../harness/placed-stack.ts";
import { callWhile, COMPUTING, type FunctionLoad, type FunctionWork, READING } from "./function-load.ts";
import type { PacedAnswer, PacedRequest } from "./main-paced-gets.ts";
import { runPlainGets, type PlainGets } from "./redis-benchmark.ts";

const PACED = join(import.meta.dirname, "main-paced-gets.ts");
/** GETs by which the rate of the plain clients is found. */
const PROBE_GETS = 50_000;

/** Those that run beside one another are measured in the same window. `evenStack`: the same where hosts are as nice as Redis. */
export async function interferencePeers(
  stack: PlacedStack,
  evenStack: PlacedStack,
  budgetMs: number,
  resources: AsyncDisposableStack,
): Promise<readonly Peer[]> {
  const { port } = stack.redis;
  const { perSecond } = await runPlainGets(port, PROBE_GETS);
  const requests = Math.ceil((perSecond * budgetMs) / 1e3);
  const pacedClient = await startPeer<PacedRequest>(PACED, [], resources);
  const closedLoop = await pacedClient.ask<PacedAnswer>({ port, budgetMs, perSecond: null });
  const pacedAt = ({ redis }: PlacedStack) =>
    pacedGets(pacedClient, { port: redis.port, budgetMs, perSecond: closedLoop.perSecond / 2 });
  const beside = async (at: PlacedStack, load: FunctionLoad): Promise<Measure> => {
    const { answer, functions } = await callWhile(at, load, () => pacedAt(at));
    const { callsPerSecond, readsPerSecond, lockShare } = functions;
    const details = load.reads > 0 ? { readsPerSecond, lockShare } : { callsPerSecond };
    return { ...answer, details: { ...answer.details, ...details } };
  };
  let together: FunctionWork | undefined;
  return [
    {
      name: "plain GETs, alone",
      unit: "GETs/s",
      run: async () => plainMeasure(await runPlainGets(port, requests)),
    },
    {
      name: "functions, alone",
      unit: "GETs/s",
      run: async () => getsMeasure((await callWhile(stack, READING, () => sleep(budgetMs))).functions),
    },
    {
      name: "plain GETs, beside functions",
      unit: "GETs/s",
      run: async () => {
        const { answer, functions } = await callWhile(stack, READING, () => runPlainGets(port, requests));
        together = functions;
        return plainMeasure(answer);
      },
    },
    {
      name: "functions, beside plain GETs",
      unit: "GETs/s",
      tellsOf: ["plain GETs, beside functions"],
      run: async () => {
        if (together === undefined)
          throw new Error("these are measured in the window of those GETs, which comes before");
        return getsMeasure(together);
      },
    },
    { name: "p99 at half rate, alone", unit: "µs", run: () => pacedAt(stack) },
    { name: "p99 at half rate, beside functions", unit: "µs", run: () => beside(stack, READING) },
    { name: "p99 at half rate, beside computing", unit: "µs", run: () => beside(stack, COMPUTING) },
    { name: "p99 at half rate, beside computing as nice", unit: "µs", run: () => beside(evenStack, COMPUTING) },
  ];
}

const plainMeasure = ({ perSecond, p50Us, p99Us }: PlainGets): Measure => ({ value: perSecond, p50Us, p99Us });

const getsMeasure = ({ readsPerSecond, lockShare }: FunctionWork): Measure => ({
  value: readsPerSecond,
  details: { lockShare },
});

async function pacedGets(client: PeerProcess<PacedRequest>, request: PacedRequest): Promise<Measure> {
  const { perSecond, elapsedUs } = await client.ask<PacedAnswer>(request);
  const sorted = elapsedUs.toSorted();
  const p99Us = percentile(sorted, 99) ?? Number.NaN;
  return { value: p99Us, p50Us: percentile(sorted, 50) ?? Number.NaN, p99Us, details: { getsPerSecond: perSecond } };
}
