// The peers of `access` in plain Node with ioredis, in the settings that suit each best: one at a time for the chain; for the
// fan-out automatic pipelining, and the same GETs as an explicit pipeline. Started by access.bench.ts.

import type { Redis } from "ioredis";
import { openBrittleConnection } from "#compute/node/redis-connection.ts";
import type { FunctionDefinition, Invocation, Log } from "#runtime/function/define.ts";
import { servePeer } from "../harness/peer-process.ts";
import { repeatFor, type Repeated } from "../harness/repeat.ts";
import chainGets, { type ChainArgs } from "./chain-gets.ts";
import fanoutGets, { type FanoutArgs } from "./fanout-gets.ts";

export type ClientWay = "chain" | "auto-pipelined" | "pipeline()";

export interface ClientRequest {
  readonly way: ClientWay;
  readonly port: number;
  readonly args: ChainArgs | FanoutArgs;
  readonly keys: readonly string[];
  readonly budgetMs: number;
}

export interface ClientAnswer extends Repeated {
  readonly result: unknown;
}

let connection: Promise<Redis> | undefined;

servePeer(async ({ way, port, args, keys, budgetMs }: ClientRequest): Promise<ClientAnswer> => {
  connection ??= connect(port, way === "auto-pipelined");
  const client = await connection;
  const call = callOf(way, client, args, keys);
  let result: unknown;
  const repeated = await repeatFor(budgetMs, async () => {
    result = await call();
  });
  return { ...repeated, result };
});

const connect = (port: number, autoPipelining: boolean): Promise<Redis> =>
  openBrittleConnection(
    { host: "127.0.0.1", port, path: null, tls: false, database: 0 },
    { username: null, password: null },
    "bench",
    autoPipelining,
  );

const callOf = (
  way: ClientWay,
  client: Redis,
  args: ClientRequest["args"],
  keys: readonly string[],
): (() => unknown) => {
  if (way === "pipeline()") return () => fanoutInPipelines(client, args as FanoutArgs, keys);
  return way === "chain"
    ? runner(chainGets, client, args as ChainArgs, keys)
    : runner(fanoutGets, client, args as FanoutArgs, keys);
};

const nothing = (): void => {};
const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

const runner =
  <Args>({ run }: FunctionDefinition<Args>, client: Redis, args: Args, keys: readonly string[]) =>
  (): unknown =>
    run({ redis: client as unknown as Invocation["redis"], args, keys, log: SILENT });

/** `fanout-gets.ts` as one writes it who knows that all reads go to one place. */
async function fanoutInPipelines(client: Redis, { turns }: FanoutArgs, keys: readonly string[]): Promise<number> {
  let bytes = 0;
  for (let turn = 0; turn < turns; turn++) {
    const pipeline = client.pipeline();
    for (const key of keys) pipeline.get(key);
    for (const [error, value] of (await pipeline.exec()) ?? []) {
      if (error !== null) throw error;
      bytes += (value as string).length;
    }
  }
  return bytes;
}
