// What a machine with cgroup v2 makes of a process instance: starts one in a group, looks at the group's files, has its limits changed, and lets it eat more
// than it may. Prints one line of JSON. Run in a virtual machine by cgroup-v2.test.ts.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { CgroupFolder } from "#scheduler/driver/cgroup.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { callOf, codeOf, imageOf } from "../scheduler/driver-fixture.ts";

const ROOT = "/sys/fs/cgroup";
const NAME = "locus";
const ID = "i1";
const MIB = 2 ** 20;
/** An emulated processor takes its time, on a busy machine most of all. */
const DEADLINE_MS = 120_000;

const image = imageOf(
  ({ args }: { readonly args: string }) => {
    const { readFileSync: read } = process.getBuiltinModule("node:fs");
    const eaten = [];
    if (args === "eat") for (;;) eaten.push(new Uint8Array(16 * 2 ** 20).fill(1));
    if (args === "spin") for (const end = Date.now() + 1_000; Date.now() < end;);
    return read("/proc/self/cgroup", "utf8");
  },
  { limits: { deadlineMs: DEADLINE_MS, cpuMs: DEADLINE_MS } },
);
const cgroups = await CgroupFolder.open(ROOT, NAME);
if (cgroups === null) throw new Error("no group can be made");
const driver = new AgentDriver(new ProcessLauncher({ data: null, cgroups, onLog: ({ text }) => console.error(text) }));
const read = (file: string): string => readFileSync(join(ROOT, NAME, ID, file), "utf8").trim();
const limits = (): readonly string[] => [read("cpu.max"), read("memory.max")];

await driver.start({ id: ID, image, memoryBytes: 128 * MIB, cpus: 0.5, concurrency: 1 });
const group = codeOf(await driver.invoke(ID, callOf("tell")));
const before = limits();
const held = [await driver.limit(ID, 0.25), await driver.resize(ID, 192 * MIB)];
const after = limits();
await driver.invoke(ID, callOf("spin"));
const throttled = Number(/^nr_throttled (\d+)$/m.exec(read("cpu.stat"))?.[1]);
await driver.limit(ID, 2);
const eaten = codeOf(await driver.invoke(ID, callOf("eat", { deadlineMs: DEADLINE_MS })));
while ((await driver.list()).length > 0) await sleep(10);
await driver.close();
const left = readdirSync(join(ROOT, NAME), { withFileTypes: true }).filter((entry) => entry.isDirectory());
console.log(JSON.stringify({ group, before, held, after, throttled, eaten, left: left.map(({ name }) => name) }));
process.exit(0);
