// `redisclient <function> <repeats> <count>`: the same function in plain Node with a plain Redis client, without locus.

import { Console } from "node:console";

import { openBrittleConnection } from "../node/redis-connection.ts";
import { toLocusError } from "../node/redis-error.ts";
import { readCliConfig, REDIS_HELP } from "./config.ts";
import { interruption } from "./interruption.ts";
import { loadLocalFunction } from "./local-function.ts";
import { newProgram, runProgram } from "./program.ts";
import { PIPELINED_IN_FLIGHT, runRedisClient } from "./redisclient.ts";
import { WorkloadReport } from "./workload-report.ts";
import { addWorkload, workloadOf, type WorkloadFlags } from "./workload.ts";

interface Flags extends WorkloadFlags {
  readonly pipelined?: boolean;
}

// What functions write: stdout holds the summary alone.
globalThis.console = new Console(process.stderr, process.stderr);

const program = newProgram("redisclient")
  .description(
    `Runs a function's source here, in plain Node with ioredis and no sandbox: the baseline for "batch".
One call at a time, and each command only when the one before has answered. Example: redisclient khop 1 1000`,
  )
  .argument("<function>", "the path of a function's file, or the name of one that comes with locus")
  .option("--pipelined", `pipeline commands by themselves and keep ${PIPELINED_IN_FLIGHT} calls in flight`)
  .addHelpText("after", REDIS_HELP);

addWorkload(program).action(async (name: string, repeats: number, count: number, flags: Flags) => {
  const { redis, user } = readCliConfig();
  const workload = workloadOf(name, repeats, count, flags);
  const definition = await loadLocalFunction(name);
  const pipelined = flags.pipelined ?? false;
  const client = await openBrittleConnection(redis, user, "redisclient", pipelined).catch((error: unknown) => {
    throw toLocusError(error, "connect to Redis");
  });
  const signal = interruption();
  const through = pipelined ? "ioredis, pipelined" : "ioredis, one command at a time";
  const report = new WorkloadReport({ program: "redisclient", workload, through, flags });
  report.end(await runRedisClient(client, definition, workload, pipelined, report.onCall, signal));
  // For one that has ended ioredis would wait, for seconds, that it ends.
  if (client.status !== "end") client.disconnect();
});

await runProgram(program);
