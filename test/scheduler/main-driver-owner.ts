// Owns a process instance whose function never yields and has started a program of its own; writes both pids to the file that is named, and
// waits to be killed. Started by drivers.test.ts.

import { writeFileSync } from "node:fs";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { specOf } from "./driver-contract.ts";
import { callOf, imageOf } from "./driver-fixture.ts";

const [pidsFile = ""] = process.argv.slice(2);
const driver = new AgentDriver(new ProcessLauncher({ data: null, cgroups: null, onLog: () => {} }));
const image = imageOf(({ args }: { readonly args: string }) => {
  const { spawn } = process.getBuiltinModule("node:child_process");
  if (args === "spin") for (;;);
  return [process.pid, spawn("sleep", ["300"], { stdio: "ignore", env: { PATH: "/usr/bin:/bin" } }).pid];
});
const spec = specOf({ image, concurrency: 2 });
await driver.start(spec);
const outcome = await driver.invoke(spec.id, callOf("start"));
if (!outcome.ok) throw new Error(outcome.error.message);
void driver.invoke(spec.id, callOf("spin", { deadlineMs: 300_000 }));
writeFileSync(pidsFile, (JSON.parse(outcome.resultJson) as number[]).join("\n"));
