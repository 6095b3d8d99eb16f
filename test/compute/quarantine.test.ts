// What a node's metrics tell of a function that costs it a sandbox host, from its quarantine to its way back.

import { expect, it, onTestFinished } from "vitest";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { startRedisServer } from "#test/redis-server.ts";
import { bundleOf, call, deploy, metric } from "./node-client.ts";

const LONG = { timeout: 60_000 };

it("a node counts who costs it a host, whom it runs again, and who has left quarantine", async () => {
  const redis = await startRedisServer();
  onTestFinished(() => redis.close());
  // Who places calls by measurement calibrates until the machine has been quiet for it, in the host that dies here: by calls of its own, which
  // are run again and counted like all others.
  const node: NodeProcess = await startNodeOver(redis, (started) => onTestFinished(() => started.end("SIGTERM")), {
    LOCUS_PLACEMENT: "declared",
  });
  const told = async () => ({
    deaths: await metric(node, "locus_sandbox_host_deaths_total"),
    reruns: await metric(node, "locus_reruns_total"),
    quarantines: await metric(node, "locus_quarantines_total"),
    left: await metric(node, "locus_quarantines_left_total"),
    hosts: await metric(node, "locus_sandbox_hosts_in_quarantine"),
  });
  // V8 gives up on this one, process and all.
  await deploy(
    node,
    bundleOf("harmful", async ({ redis: data }) =>
      (await data.get("harm")) === null ? "well" : "x".repeat(5e8).split("").length,
    ),
  );
  await deploy(
    node,
    bundleOf("waiting", async ({ redis: data }) => {
      while ((await data.get("go on")) === null) await new Promise((resolve) => setTimeout(resolve, 100));
      return "read to the end";
    }),
  );
  expect(await told()).toEqual({ deaths: 0, reruns: 0, quarantines: 0, left: 0, hosts: 0 });

  const client = redis.client();
  await client.set("harm", "1");
  const neighbour = call(node, "waiting", "compute");
  await expect.poll(() => metric(node, 'locus_invocations\\{state="waiting"\\}'), LONG).toBe(1);
  expect(await call(node, "harmful", "compute")).toMatchObject({ body: { code: "MEMORY_LIMIT" } });
  await client.multi().del("harm").set("go on", "1").exec();
  expect(await neighbour).toEqual({ status: 200, body: "read to the end" });
  const quarantined = { deaths: 1, reruns: 1, quarantines: 1, left: 0, hosts: 1 };
  expect(await call(node, "harmful", "compute")).toEqual({ status: 200, body: "well" });
  expect(await told()).toEqual(quarantined);

  // A hundred that end well, and then one after which nothing of it is under way.
  for (let i = 0; i < 120; i++) expect((await call(node, "harmful", "compute")).status).toBe(200);
  // Its host outlives its way back: another one may need it.
  expect(await told()).toEqual({ ...quarantined, left: 1 });
});
