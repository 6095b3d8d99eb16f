// The peers of `access`: each does one workload on one way, again and again for a while, and tells what a GET (or a call)
// cost in time and in CPU time of whom.

import { deepStrictEqual } from "node:assert";
import { join } from "node:path";
import { interruption } from "#compute/cli/interruption.ts";
import { NodeClient } from "#compute/cli/node-client.ts";
import type { Measure, Peer } from "../harness/contest.ts";
import { startPeer } from "../harness/peer-process.ts";
import type { PlacedStack } from "../harness/placed-stack.ts";
import { watchCpu } from "../harness/processes.ts";
import { repeatFor, type Repeated } from "../harness/repeat.ts";
import type { ClientAnswer, ClientRequest, ClientWay } from "./main-client.ts";
import type { Workload } from "./workloads.ts";

const CLIENT = join(import.meta.dirname, "main-client.ts");

export interface PeerOptions {
  readonly stack: PlacedStack;
  /** Of one repetition. */
  readonly budgetMs: number;
  readonly resources: AsyncDisposableStack;
}

/** Called from a Redis client, beside the data: µs per GET. */
export const besidePeer = (
  { stack, budgetMs }: PeerOptions,
  name: string,
  { reads, expected }: Workload<unknown>,
  call: () => Promise<unknown>,
): Peer => ({
  name,
  unit: "µs/GET",
  run: async () => {
    const work = () => repeatFor(budgetMs, checked(name, expected, call));
    const { answer, cpuUs } = await watchCpu(stack.processes(), work);
    const gets = answer.calls * reads;
    const details = { redisCpuUsPerGet: cpuUs.redis / gets, hostCpuUsPerGet: cpuUs.storageHost / gets };
    return { value: (answer.seconds * 1e6) / gets, details };
  },
});

/** A function on the compute side, called through the gateway: GETs per second. */
export const computePeer = (
  { stack, budgetMs }: PeerOptions,
  name: string,
  functionName: string,
  { args, keys, reads, expected }: Workload<unknown>,
): Peer => {
  const node = new NodeClient({ url: stack.url, from: "the stack" }, interruption());
  const wishes = { side: "compute", inFlight: 1, logs: false, deadlineMs: null } as const;
  const call = async (): Promise<unknown> => {
    const [reply] = await Array.fromAsync(node.batch(functionName, [{ args, keys }], wishes));
    return reply?.error ?? reply?.result;
  };
  return {
    name,
    unit: "GETs/s",
    run: async () => {
      const work = () => repeatFor(budgetMs, checked(name, expected, call));
      const { answer, cpuUs } = await watchCpu(stack.processes(), work);
      return getsPerSecond(answer, reads, cpuUs.node + cpuUs.computeHost, cpuUs.redis);
    },
  };
};

/** The same source in plain Node with ioredis, in a process of its own: GETs per second. */
export const clientPeer = async (
  { stack, budgetMs, resources }: PeerOptions,
  name: string,
  way: ClientWay,
  { args, keys, reads, expected }: Workload<ClientRequest["args"]>,
): Promise<Peer> => {
  const client = await startPeer<ClientRequest>(CLIENT, [], resources);
  const request: ClientRequest = { way, port: stack.redis.port, args, keys, budgetMs };
  return {
    name,
    unit: "GETs/s",
    run: async () => {
      const groups = { client: [client.pid], redis: [stack.redis.pid()] };
      const { answer, cpuUs } = await watchCpu(groups, () => client.ask<ClientAnswer>(request));
      deepStrictEqual(answer.result, expected, name);
      return getsPerSecond(answer, reads, cpuUs.client, cpuUs.redis);
    },
  };
};

/** Computing alone, called from a Redis client: ms per call. */
export const cpuPeer = (
  { budgetMs }: PeerOptions,
  name: string,
  expected: unknown,
  call: () => Promise<unknown>,
): Peer => ({
  name,
  unit: "ms/call",
  run: async () => {
    const { calls, seconds } = await repeatFor(budgetMs, checked(name, expected, call));
    return { value: (seconds * 1e3) / calls };
  },
});

const getsPerSecond = ({ calls, seconds }: Repeated, reads: number, cpuUs: number, redisCpuUs: number): Measure => {
  const gets = calls * reads;
  return { value: gets / seconds, details: { cpuUsPerGet: cpuUs / gets, redisCpuUsPerGet: redisCpuUs / gets } };
};

/** A peer that answers something else does other work, and its time means nothing. */
const checked = (name: string, expected: unknown, call: () => Promise<unknown>) => async (): Promise<void> =>
  deepStrictEqual(await call(), expected, name);
