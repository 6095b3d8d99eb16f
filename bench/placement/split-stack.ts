// Redis with its sandbox host on the storage side's cores, a node with its load on the compute side's: the two machines that
// placement chooses between, on one.

import { join } from "node:path";
import type { Redis } from "ioredis";
import type { GraphInfo } from "#compute/cli/load/graph.ts";
import { interruption } from "#compute/cli/interruption.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { pin, type Layout } from "../harness/cores.ts";
import { startPeer, type PeerProcess } from "../harness/peer-process.ts";
import { descendantsOf } from "../harness/processes.ts";
import { loadSocialGraph } from "../khop/social-graph.ts";
import { startDelayProxy } from "./delay-proxy.ts";
import type { LoadProcessRequest } from "./main-load.ts";
import type { NameGiver, NewNames } from "./new-names.ts";
import { bundleOf, passwordCalls, type Workload } from "./suite.ts";

const PROGRAM = join(import.meta.dirname, "main-load.ts");

type StackPart = "redis" | "storageHost" | "load" | "computeHost";

export interface SplitStack extends NameGiver {
  readonly redis: RedisServer;
  /** Over its Unix socket. */
  readonly client: Redis;
  readonly load: PeerProcess<LoadProcessRequest>;
  /** The processes that it is made of now. */
  processes(): Readonly<Record<StackPart, readonly number[]>>;
  /** Before they are called; with what they find in Redis. */
  deploy(workloads: readonly Workload[]): Promise<void>;
  /** Works with functions that are deployed, under names that nobody has ever called; they have them until it is done. */
  underNewNames<Answer>(functions: readonly string[], work: (names: NewNames) => Promise<Answer>): Promise<Answer>;
}

export interface SplitStackOptions {
  readonly layout: Layout;
  /** Between the node and Redis; 0: loopback, without a proxy. */
  readonly roundTripUs: number;
  readonly dataDirectory: string | null;
  readonly say: (text: string) => void;
  /** It ends with these. */
  readonly resources: AsyncDisposableStack;
}

/** Starts one over a graph. */
export async function startSplitStack({
  layout: { pinned, cores },
  roundTripUs,
  dataDirectory,
  say,
  resources,
}: SplitStackOptions): Promise<{ readonly stack: SplitStack; readonly graph: GraphInfo }> {
  // What is started counts the cores that it finds: those of its starter.
  if (pinned) pin(process.pid, cores.redis);
  const redis = await startRedisServer({ signal: interruption() });
  resources.defer(() => redis.close());
  if (pinned) pin(process.pid, cores.node);
  const graph = await loadSocialGraph(redis.port, dataDirectory, say);
  const port = roundTripUs === 0 ? redis.port : await startDelayProxy(redis.port, roundTripUs, resources);
  const load = await startPeer<LoadProcessRequest>(PROGRAM, [], resources);
  await load.ask<null>({ kind: "open", redisPort: port });
  const client = redis.client();
  const known = new Map<string, Workload>();
  let namesGiven = 0;
  const stack: SplitStack = {
    redis,
    client,
    load,
    processes: () => ({
      redis: [redis.pid()],
      storageHost: descendantsOf(redis.pid()),
      load: [load.pid],
      computeHost: descendantsOf(load.pid),
    }),
    async deploy(workloads) {
      for (const workload of workloads) {
        known.set(workload.name, workload);
        await deployed(client, workload);
      }
      if (!workloads.some(({ source }) => source === "functions/hash-password.ts")) return;
      for (const { argsJson } of passwordCalls()) await client.call("LOCUS.CALL", "hash-password", 0, argsJson);
    },
    async giveNewNames(functions) {
      const names = new Map<string, string>();
      for (const name of functions) {
        const workload = known.get(name);
        if (workload === undefined) throw new Error(`${name} is not deployed`);
        const newName = `${name}-${(namesGiven += 1)}`;
        await deployed(client, { ...workload, name: newName });
        names.set(name, newName);
      }
      return names;
    },
    async giveUpNames(names) {
      for (const newName of names.values()) await client.call("LOCUS.FUNCTION", "DELETE", newName);
    },
    async underNewNames(functions, work) {
      const names = await stack.giveNewNames(functions);
      try {
        return await work(names);
      } finally {
        await stack.giveUpNames(names);
      }
    },
  };
  return { stack, graph };
}

const deployed = async (client: Redis, workload: Workload): Promise<unknown> =>
  client.call("LOCUS.FUNCTION", "LOAD", "REPLACE", Buffer.from(await bundleOf(workload)));
