// Whether a function gives the same results everywhere: in plain Node with an ordinary client, on the compute side, and next
// to the data.

import { isDeepStrictEqual } from "node:util";
import { Redis } from "ioredis";
import { loadLocalFunction } from "#compute/cli/local-function.ts";
import { NodeClient } from "#compute/cli/node-client.ts";
import { callOf } from "#compute/cli/workload.ts";
import type { Invocation, Log } from "#runtime/function/define.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { Stack } from "./stack.ts";

const NEVER = new AbortController().signal;
const nothing = (): void => {};
const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Compares the results for nodes "1" to `count`, `count` at most 64. Rejects with the first difference. */
export async function checkAgreement(stack: Stack, name: string, count: number): Promise<void> {
  const calls = Array.from({ length: count }, (_, index) => callOf({ args: {} }, index + 1));
  const expected = await runHere(stack, name, calls);
  for (const side of ["compute", "storage"] as const) {
    const results = await runOn(stack, side, name, calls);
    for (const [index, result] of results.entries()) {
      if (isDeepStrictEqual(result, expected[index])) continue;
      const [there, here] = [JSON.stringify(result), JSON.stringify(expected[index])];
      throw new Error(
        `${name} of node ${index + 1} is ${there} on the ${side} side, and ${here} through an ordinary client`,
      );
    }
  }
}

type Calls = readonly ReturnType<typeof callOf>[];

async function runHere({ redis: { port } }: Stack, name: string, calls: Calls): Promise<unknown[]> {
  const { run } = await loadLocalFunction(name);
  const client = new Redis({ port, host: "127.0.0.1" });
  try {
    const redis = client as unknown as Invocation["redis"];
    return await Promise.all(calls.map(({ args, keys }) => run({ redis, args, keys, log: SILENT })));
  } finally {
    client.disconnect();
  }
}

async function runOn({ url }: Stack, side: Side, name: string, calls: Calls): Promise<unknown[]> {
  const wishes = { side, inFlight: 1, logs: false, deadlineMs: null };
  const replies = await Array.fromAsync(new NodeClient({ url, from: "the stack" }, NEVER).batch(name, calls, wishes));
  return replies.map(({ result, error }) => error ?? result);
}
