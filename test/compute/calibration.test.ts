// What moving and computing cost here is measured by whoever decides, over a real Redis, where that has nothing else to do. Until then what an
// earlier one has measured holds, and before anybody has, what is usual.

import { expect, it, vi } from "vitest";
import type { PlacementOverview } from "#compute/placement/answers.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { startNodeOver, type NodeProcess } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { said } from "./node-client.ts";

const LONG = { timeout: 60_000 };
const BUSY = "local mixed = 0 for turn = 1, 300000 do mixed = (mixed * 31 + turn) % 1000003 end return mixed";

/** Somebody else has Redis compute, for as long as this is used. */
function keptBusy(redis: RedisServer): AsyncDisposable {
  const client = redis.client();
  const over = new AbortController();
  const work = (async () => {
    while (!over.signal.aborted) await client.eval(BUSY, 0);
  })();
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await work;
    },
  };
}

const knownTo = async (node: NodeProcess): Promise<Pick<PlacementOverview, "constants" | "constantsFrom">> => {
  const { constants, constantsFrom } = (await (await fetch(`${node.url}/v1/placement`)).json()) as PlacementOverview;
  return { constants, constantsFrom };
};
const measuredBy = (node: NodeProcess) =>
  vi.waitFor(async () => {
    const { constants, constantsFrom } = await knownTo(node);
    expect(constantsFrom).toBe("measured");
    return constants;
  }, LONG);

it("is what is usual, then what was measured, and for the next who decides that, until it has measured anew", async () => {
  const redis = await startRedisServer();
  await using nodes = new AsyncDisposableStack();
  nodes.defer(() => redis.close());
  const startNode = (): Promise<NodeProcess> =>
    startNodeOver(redis, (node) => nodes.defer(() => node.end("SIGTERM")), { LOCUS_LOG_LEVEL: "debug" });
  /** It has tried, and others were at work. */
  const isPutOff = (node: NodeProcess) =>
    vi.waitFor(() => expect(said(node)).toContain("not calibrated yet: others are at work, or storage is off"), LONG);

  let first: NodeProcess;
  {
    await using _busy = keptBusy(redis);
    first = await startNode();
    await isPutOff(first);
    expect(await knownTo(first)).toEqual({ constants: DEFAULT_CONSTANTS, constantsFrom: "usual" });
  }
  const measured = await measuredBy(first);
  expect(measured).not.toEqual(DEFAULT_CONSTANTS);
  await first.end("SIGTERM");

  let second: NodeProcess;
  {
    await using _busy = keptBusy(redis);
    second = await startNode();
    await isPutOff(second);
    expect(await knownTo(second)).toEqual({ constants: measured, constantsFrom: "kept" });
  }
  expect(await measuredBy(second)).not.toEqual(measured);
}, 180_000);
