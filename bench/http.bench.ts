// What does a node add to HTTP: how many calls of a function that does nothing does it answer, against a bare fastify route?
//
// Method. The same POST to both, `{}` as its body, from autocannon in processes of its own: 64 connections that each have one
// request under way (as programs use HTTP; pipelining would hide what a request costs in system calls). fastify parses and checks
// the body and writes its answer, `null`, by a response schema. The node reads the body, admits the call, hands it to a
// sandbox host over shared memory, where an isolate runs it, and answers with the headers that tell what it used. Server and
// load are on cores of their own where there are four; CPU time of each stands beside, and shows who was at its limit.
//
// Expectation. Most of a request is Node's HTTP in both; crossing to the host and back is a few µs when calls are in flight
// all the time. The node should answer half as many at least.

import { join } from "node:path";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { pin, serverLayout } from "./harness/cores.ts";
import { startPeer } from "./harness/peer-process.ts";
import { startPlacedStack } from "./harness/placed-stack.ts";
import { loadedPeer, startLoad } from "./http/load-peer.ts";

interface Effort extends Repeats {
  /** Of one repetition of one peer. */
  readonly budgetMs: number;
}

const PATH = "/v1/functions/empty/invocations";
const CONNECTIONS = 64;
const PIPELINING = 1;
const SERVER = join(import.meta.dirname, "http", "main-fastify.ts");

await runBenchmark<Effort>({
  name: "http",
  question: "How many calls of an empty function does a node answer over HTTP, against a bare fastify route?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, budgetMs: 1_500 },
    standard: { warmUps: 3, repetitions: 7, budgetMs: 2_000 },
    full: { warmUps: 2, repetitions: 9, budgetMs: 8_000 },
  },
  ratios: {
    emptyVsFastify: {
      better: "more",
      must: 0.5,
      aim: 0.7,
      of: (value) => value("locus, empty on compute") / value("fastify, bare route"),
    },
  },
  layout: serverLayout,
  async prepare({ effort, layout, resources, say }) {
    say("starting Redis, a node and fastify");
    const stack = await startPlacedStack(["functions/empty.ts"], layout, resources);
    const server = await startPeer<object>(SERVER, [], resources);
    if (layout.pinned) pin(server.pid, layout.cores.node);
    const serverUrl = await server.ask<string>({});
    // One process loads a server that is as fast as itself; where there are cores, two make sure of it.
    const loadProcesses = layout.pinned ? 2 : 1;
    const load = await startLoad(loadProcesses, resources);
    const nodeProcesses = (): readonly number[] => [...stack.processes().node, ...stack.processes().computeHost];
    const servers = [
      { name: "fastify, bare route", url: serverUrl + PATH, processes: () => [server.pid] },
      { name: "locus, empty on compute", url: `${stack.url}${PATH}?side=compute`, processes: nodeProcesses },
    ];
    await checkAgreement(servers.map(({ url }) => url));
    const request = { connections: CONNECTIONS, pipelining: PIPELINING, budgetMs: effort.budgetMs };
    return {
      config: { connections: CONNECTIONS, pipelining: PIPELINING, loadProcesses },
      peers: servers.map((one) => loadedPeer(load, one, request)),
    };
  },
});

/** Rejects unless all answer the same. */
async function checkAgreement(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
    const text = await response.text();
    if (response.status !== 200 || text !== "null") throw new Error(`${url} answered ${response.status}: ${text}`);
  }
}
