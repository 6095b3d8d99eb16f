import { expect, onTestFinished, test } from "vitest";
import { setUp } from "../scheduler-fixture.ts";
import { capacityOverview } from "./capacity-overview.ts";
import { serveMetrics } from "./metrics-page.ts";

const statusesOf = async (metricsSecret: string | null, tried: readonly string[]): Promise<readonly number[]> => {
  const { scheduler } = setUp();
  const grpc = { host: "127.0.0.1", listener: { secret: "of gRPC", tls: null } };
  const page = await serveMetrics({ metricsPort: 0, metricsSecret }, grpc, () => capacityOverview(scheduler, 0));
  onTestFinished(() => page.close());
  const answers = tried.map((secret) =>
    fetch(`http://127.0.0.1:${page.port}/metrics`, { headers: { authorization: `Bearer ${secret}` } }),
  );
  return (await Promise.all(answers)).map(({ status }) => status);
};

test("metrics have the secret of gRPC, or their own, with which nothing else can be done, and which that one is not", async () => {
  const secrets = ["of gRPC", "of readers"];
  expect(await statusesOf(null, secrets)).toEqual([200, 401]);
  expect(await statusesOf("of readers", secrets)).toEqual([401, 200]);
});
