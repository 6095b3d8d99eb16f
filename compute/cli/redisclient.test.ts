import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { defineFunction, type FunctionDefinition, type Invocation } from "#runtime/function/define.ts";
import { openBrittleConnection } from "../node/redis-connection.ts";
import { type ScriptedRedis, startScriptedRedis } from "../node/scripted-redis.ts";
import { runRedisClient } from "./redisclient.ts";

const READS = 3;
const CALLS = 40;
const workload = { function: "reader", repeats: 1, count: CALLS, args: {} };
const never = new AbortController().signal;
const ignore = (): void => {};

describe("runRedisClient", () => {
  /** Commands that wait for their answer at the server, in the order in which they came. */
  let waiting: (() => void)[];
  /** The server answers nobody until so many wait for the first time. */
  let answersFrom: number;
  let commandsPeak: number;
  let redis: ScriptedRedis;

  beforeEach(async () => {
    [waiting, commandsPeak] = [[], 0];
    redis = await startScriptedRedis(async () => {
      const answered = new Promise<void>((resolve) => waiting.push(resolve));
      commandsPeak = Math.max(commandsPeak, waiting.length);
      if (waiting.length >= answersFrom) {
        answersFrom = 1;
        // What has come along with it is counted before.
        setImmediate(() => {
          for (const answer of waiting.splice(0)) answer();
        });
      }
      await answered;
      return "value";
    });
  });
  afterEach(() => redis.close());

  /** Runs calls that each issue some reads at once. */
  const run = async (pipelined: boolean) => {
    const client = await openBrittleConnection(redis.address, redis.user, "test", pipelined);
    let [calls, callsPeak, sentTogether] = [0, 0, 0];
    const definition = defineFunction({
      name: "reader",
      async run({ redis: own, keys: [key = ""] }: Invocation) {
        callsPeak = Math.max(callsPeak, ++calls);
        const reads = Promise.all(Array.from({ length: READS }, () => own.get(key)));
        sentTogether = Math.max(sentTogether, client.autoPipelineQueueSize);
        await reads;
        calls--;
      },
    }) as unknown as FunctionDefinition;
    const summary = (await runRedisClient(client, definition, workload, pipelined, ignore, never)).summary();
    client.disconnect();
    return { summary, callsPeak, sentTogether };
  };

  it("makes one call after the other, and sends each command when the one before has answered", async () => {
    answersFrom = 1;
    const { summary, callsPeak, sentTogether } = await run(false);
    expect(summary).toMatchObject({ calls: CALLS, ok: CALLS, operationsPerCall: READS, roundsPerCall: READS });
    expect({ callsPeak, sentTogether, commandsPeak }).toEqual({ callsPeak: 1, sentTogether: 0, commandsPeak: 1 });
  });

  it("pipelined keeps 16 calls in flight, and sends together what they ask for in one turn", async () => {
    // Nobody has an answer before the commands of 16 calls are there.
    answersFrom = 16 * READS;
    const { summary, callsPeak, sentTogether } = await run(true);
    expect(summary).toMatchObject({ calls: CALLS, ok: CALLS, operationsPerCall: null, roundsPerCall: null });
    expect({ callsPeak, sentTogether }).toEqual({ callsPeak: 16, sentTogether: 16 * READS });
    expect(commandsPeak).toBe(16 * READS);
  });
});
