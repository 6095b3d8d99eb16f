// Owns a container whose function never yields, says so, and waits to be killed. Started by docker-driver.ts.

import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { DockerLauncher, type DockerLauncherOptions } from "#scheduler/driver/docker-launcher.ts";
import { specOf } from "../scheduler/driver-contract.ts";
import { callOf, imageOf } from "../scheduler/driver-fixture.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as DockerLauncherOptions;
const driver = new AgentDriver(await DockerLauncher.open({ ...options, onLog: () => {} }));
const image = imageOf(({ args }: { readonly args: string }) => {
  if (args === "spin") for (;;);
});
const spec = specOf({ image, concurrency: 2 });
await driver.start(spec);
await driver.invoke(spec.id, callOf("start"));
void driver.invoke(spec.id, callOf("spin", { deadlineMs: 300_000 }));
console.log("started");
