// A node of its own: the NodeService on a free port, which it tells, over the driver and with the memory that its arguments name. Its function "hangs" never gets
// a container. Runs until it is killed.

import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import type { Driver } from "#scheduler/driver/driver.ts";
import { IsolateDriver } from "#scheduler/driver/isolate-driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { imageOf } from "./driver-fixture.ts";
import { serveNode } from "./shelved-node.ts";

const MIB = 2 ** 20;
const IMAGES = new Map([
  ["hello", imageOf(({ args }) => ({ hello: args }))],
  [
    "sleeps",
    imageOf(({ args }: { readonly args: number }) => new Promise((resolve) => setTimeout(() => resolve(args), args))),
  ],
]);

const [kind, memoryMib] = process.argv.slice(2);
const onLog = (): void => {};
const driver: Driver =
  kind === "process"
    ? new AgentDriver(new ProcessLauncher({ data: null, cgroups: null, onLog }))
    : new IsolateDriver(
        await startSupervisor({ channel: new MemoryChannel(), isolatesMax: 16, queueLengthMax: 200, onLog }),
      );
const images = (name: string) => (name === "hangs" ? new Promise<never>(() => {}) : IMAGES.get(name));
const resources = new AsyncDisposableStack();
const { endpoint } = await serveNode(resources, driver, images, Number(memoryMib) * MIB);
console.log(JSON.stringify({ port: Number(endpoint.split(":")[1]) }));
