// The peers of `interference`: plain clients and functions, each alone and both at once.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "#compute/cli/summary.ts";
import type { Measure, Peer } from "../harness/contest.ts";
import { startPeer, type PeerProcess } from "../harness/peer-process.ts";
import type { PlacedStack } from "../harness/placed-stack.ts";
import { readWhile, type FunctionReads } from "./function-load.ts";
import type { PacedAnswer, PacedRequest } from "./main-paced-gets.ts";
import { runPlainGets, type PlainGets } from "./redis-benchmark.ts";

const PACED = join(import.meta.dirname, "main-paced-gets.ts");
/** GETs by which the rate of the plain clients is found. */
const PROBE_GETS = 50_000;

/** The peers that run beside one another come one after the other, and are measured in the same window. */
export async function interferencePeers(
  stack: PlacedStack,
  budgetMs: number,
  resources: AsyncDisposableStack,
): Promise<readonly Peer[]> {
  const { port } = stack.redis;
  const { perSecond } = await runPlainGets(port, PROBE_GETS);
  const requests = Math.ceil((perSecond * budgetMs) / 1e3);
  const pacedClient = await startPeer<PacedRequest>(PACED, [], resources);
  const closedLoop = await pacedClient.ask<PacedAnswer>({ port, budgetMs, perSecond: null });
  const paced = () => pacedGets(pacedClient, { port, budgetMs, perSecond: closedLoop.perSecond / 2 });
  let beside: FunctionReads | undefined;
  return [
    {
      name: "plain GETs, alone",
      unit: "GETs/s",
      run: async () => plainMeasure(await runPlainGets(port, requests)),
    },
    {
      name: "functions, alone",
      unit: "GETs/s",
      run: async () => functionMeasure((await readWhile(stack, () => sleep(budgetMs))).functions),
    },
    {
      name: "plain GETs, beside functions",
      unit: "GETs/s",
      run: async () => {
        const { answer, functions } = await readWhile(stack, () => runPlainGets(port, requests));
        beside = functions;
        return plainMeasure(answer);
      },
    },
    {
      name: "functions, beside plain GETs",
      unit: "GETs/s",
      run: async () => {
        if (beside === undefined) throw new Error("the window that both are measured in comes before");
        return functionMeasure(beside);
      },
    },
    { name: "p99 at half rate, alone", unit: "µs", run: paced },
    {
      name: "p99 at half rate, beside functions",
      unit: "µs",
      run: async () => {
        const { answer, functions } = await readWhile(stack, paced);
        return { ...answer, details: { ...answer.details, ...functionMeasure(functions).details } };
      },
    },
  ];
}

const plainMeasure = ({ perSecond, p50Us, p99Us }: PlainGets): Measure => ({ value: perSecond, p50Us, p99Us });

const functionMeasure = ({ gets, seconds, lockShare }: FunctionReads): Measure => ({
  value: gets / seconds,
  details: { lockShare },
});

async function pacedGets(client: PeerProcess<PacedRequest>, request: PacedRequest): Promise<Measure> {
  const { perSecond, elapsedUs } = await client.ask<PacedAnswer>(request);
  const sorted = elapsedUs.toSorted();
  const p99Us = percentile(sorted, 99) ?? Number.NaN;
  return { value: p99Us, p50Us: percentile(sorted, 50) ?? Number.NaN, p99Us, details: { getsPerSecond: perSecond } };
}
