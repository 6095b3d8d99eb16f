// The keyspace service takes turns: whoever wants little is not kept waiting by whoever wants everything, be that another function, a
// function's own neighbour, or functions beside plain clients. By order, not by the clock.

import { afterAll, beforeAll, expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import { PATIENT } from "#test/patient-limits.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { until } from "./scripted-host.ts";

/** In one round; each takes some µs, all of them many of the service's turns. */
const WANTED = 20_000;
const ROUNDS = 3;

const GREEDY = `export default { kind: "locus.function", name: "greedy", limits: ${JSON.stringify({ ...PATIENT, concurrency: 4 })}, async run({ redis, args }) {
  if (args === "little") {
    for (let round = 0; round < ${ROUNDS}; round++) await redis.lindex("long", 1);
    return "little";
  }
  const all = [];
  for (let index = 0; index < ${WANTED}; index++) all.push(redis.lindex("long", 5000));
  return (await Promise.all(all)).length;
} };`;
const MODEST = `export default { kind: "locus.function", name: "modest", limits: ${JSON.stringify(PATIENT)}, async run({ redis }) {
  for (let round = 0; round < ${ROUNDS}; round++) await redis.lindex("long", 1);
  return "little";
} };`;

let redis: RedisServer;
beforeAll(async () => {
  // A list of separate elements: what stands in its midst is walked to.
  redis = await startRedisServer({ config: [["list-max-listpack-size", "1"]] });
  const client = redis.client();
  for (const bundle of [GREEDY, MODEST]) await client.call("LOCUS.FUNCTION", "LOAD", bundle);
  await client.rpush("long", ...Array.from({ length: 10_000 }, (_, index) => String(index)));
  await Promise.all([call("modest", "null"), call("greedy", '"little"')]);
});
afterAll(() => redis.close());

const call = (name: string, args: string): Promise<string> =>
  redis
    .client()
    .call("LOCUS.CALL", name, "0", args)
    .then((reply) => String(reply));
const served = async (): Promise<number> => Number((await readInfo(redis.client())).get("operations"));

test.each([
  ["a call of another function", () => call("modest", "null"), '"little"'],
  ["another call of the same function", () => call("greedy", '"little"'), '"little"'],
  ["a plain client", () => redis.client().lindex("long", 1), "1"],
])("%s ends before one that wants everything", async (_who, wantLittle, little) => {
  const before = await served();
  const ended: string[] = [];
  const greedy = call("greedy", '"everything"').then((reply) => ended.push(reply));
  // It is being served.
  await until(async () => (await served()) > before);
  ended.push(String(await wantLittle()));
  await greedy;
  expect(ended).toEqual([little, String(WANTED)]);
});
