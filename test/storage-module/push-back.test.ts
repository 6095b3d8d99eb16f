// LOCUS.NODE RUN with backCpuUs, with the real host: what a call that is pushed back leaves behind for those after it.

import { expect, onTestFinished, test } from "vitest";

import { PATIENT } from "#test/patient-limits.ts";
import { startRedisServer } from "#test/redis-server.ts";

/** Keeps a promise from call to call; a heavy call replaces it turn after turn. */
const BUNDLE = `let kept = null;
export default { kind: "locus.function", name: "keeping", limits: ${JSON.stringify(PATIENT)}, async run({ redis, args }) {
  if (!args.isHeavy) return (await (kept ??= redis.get("a")));
  let mixed = 0;
  for (let step = 0; step < 400; step++) {
    kept = redis.get("a");
    for (let index = 0; index < 3e5; index++) mixed ^= Math.imul(index, mixed + 31);
    await kept;
  }
  return mixed;
} };`;

test("no later call waits for a reply that a call which was pushed back had asked for", async () => {
  const server = await startRedisServer();
  onTestFinished(() => server.close());
  const client = server.client();
  const run = (options: object, args: object): Promise<string[]> =>
    client.call("LOCUS.NODE", "RUN", "keeping", "*", "0", JSON.stringify(options), JSON.stringify(args)) as Promise<
      string[]
    >;
  await client.set("a", "1");
  await client.call("LOCUS.FUNCTION", "LOAD", BUNDLE);
  expect((await run({ backCpuUs: 20_000 }, { isHeavy: true }))[0]).toBe("back");
  const [how, , , , result] = await run({}, { isHeavy: false });
  expect([how, result]).toEqual(["ok", '"1"']);
});
