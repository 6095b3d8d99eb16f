// Agents as child processes. Each has its memory bounded: by the heap's own limit, by its cgroup where there is one, and else by looking at
// what it holds while calls are in flight.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { LocusError } from "#runtime/errors.ts";
import type { RedisSource } from "#runtime/channel/redis-source.ts";
import type { HostLine } from "#runtime/sandbox/supervisor.ts";
import type { AgentEnd, AgentLauncher, AgentProcess } from "./agent-instance.ts";
import { AGENT_PATH } from "./agent-program.ts";
import type { Cgroup, CgroupFolder } from "./cgroup.ts";
import type { InstanceSpec, InstanceUse } from "./driver.ts";
import { inTime } from "./in-time.ts";
import { tellLines } from "./printed-lines.ts";

/** How often a process without a cgroup is looked at. A thread can fault in some 200 MB meanwhile. Chosen. */
const LOOK_MS = 100;
/** Of Linux, on all machines that locus runs on. */
const PAGE_BYTES = 4_096;
const TICK_US = 10_000;
/** What it has started may hold its output open after its end: that is read no longer than this. Chosen. */
const OUTPUT_MS = 1_000;
/** How V8 ends a process in which an allocation fails that it cannot do without. */
const V8_GIVES_UP: readonly (NodeJS.Signals | null)[] = ["SIGABRT", "SIGTRAP"];

export interface ProcessLauncherOptions {
  readonly data: RedisSource | null;
  /** null: no quotas. */
  readonly cgroups: CgroupFolder | null;
  readonly onLog: (line: HostLine) => void;
}

export class ProcessLauncher implements AgentLauncher {
  readonly data: RedisSource | null;
  readonly #options: ProcessLauncherOptions;

  constructor(options: ProcessLauncherOptions) {
    this.#options = options;
    this.data = options.data;
  }

  async launch(spec: InstanceSpec): Promise<AgentProcess> {
    const { cgroups, onLog } = this.#options;
    // Nothing of the owner's environment, which may hold secrets, and none of its descriptors.
    // A group of its own: what it starts ends with it.
    const stdio: ["pipe", "pipe", "pipe"] = ["pipe", "pipe", "pipe"];
    const folder = tmpdir();
    const child = spawn(process.execPath, [AGENT_PATH], { env: {}, cwd: folder, detached: true, stdio });
    const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    const isRead = once(child, "close");
    isRead.catch(() => {}); // told by `exited`
    try {
      await Promise.race([once(child, "spawn"), exited]);
    } catch (cause) {
      throw new LocusError(
        "INSTANCE_FAILED",
        `instance ${spec.id}: its process cannot be started in ${folder}: ${(cause as Error).message}`,
        { cause },
      );
    }
    const source = spec.image.description.name;
    const say = (text: string): void => onLog({ source, text });
    tellLines(child.stderr, say);
    const pid = child.pid ?? 0;
    let group: Cgroup | null = null;
    try {
      group = (await cgroups?.group(spec.id, pid, spec)) ?? null;
    } catch (error) {
      say(`warn: instance ${spec.id} has no cgroup, so no quota: ${(error as Error).message}`);
    }
    // After its end the number may be another group's.
    let isOver = false;
    const kill = (): void => {
      if (!isOver) killGroup(pid);
    };
    const watch = new MemoryWatch(pid, spec.memoryBytes, kill);
    const ended = exited.then(async ([code, signal]): Promise<AgentEnd> => {
      watch.close();
      kill();
      isOver = true;
      if (!(await inTime(isRead, OUTPUT_MS))) for (const stream of [child.stdout, child.stderr]) stream.destroy();
      const lackedMemory =
        watch.hasKilled || V8_GIVES_UP.includes(signal) || (signal !== null && (await group?.hasKilled()) === true);
      await group?.remove();
      return { how: signal === null ? `with exit code ${code}` : `killed by ${signal}`, lackedMemory };
    });
    return {
      input: child.stdin,
      output: child.stdout,
      ended,
      kill,
      limit: async (cpus) => {
        await group?.limit(cpus);
        return group !== null;
      },
      resize: async (memoryBytes) => {
        watch.memoryBytesMax = memoryBytes;
        await group?.resize(memoryBytes);
        return true;
      },
      use: () => useOf(pid, group).catch(() => null),
    };
  }

  async close(): Promise<void> {
    await this.#options.cgroups?.removeEmpty();
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing is left of it.
  }
}

class MemoryWatch {
  memoryBytesMax: number;
  hasKilled = false;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number, memoryBytesMax: number, kill: () => void) {
    this.memoryBytesMax = memoryBytesMax;
    this.#timer = setInterval(() => void this.#look(pid, kill), LOOK_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(pid: number, kill: () => void): Promise<void> {
    const bytes = await ownBytes(pid).catch(() => 0);
    if (bytes <= this.memoryBytesMax) return;
    this.hasKilled = true;
    this.close();
    kill();
  }
}

/** What it alone holds: resident, and no page of a file, since all instances share those of Node. */
async function ownBytes(pid: number): Promise<number> {
  const [, residentPages = "0", filePages = "0"] = (await readFile(`/proc/${pid}/statm`, "utf8")).split(" ");
  return (Number(residentPages) - Number(filePages)) * PAGE_BYTES;
}

async function useOf(pid: number, group: Cgroup | null): Promise<InstanceUse> {
  const [memoryBytes, cpu] = await Promise.all([ownBytes(pid), group?.cpuUse() ?? ownCpu(pid)]);
  return { memoryBytes, ...cpu };
}

async function ownCpu(pid: number): Promise<{ readonly cpuUs: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The program's name, in parentheses, may hold anything; utime and stime are the 12th and 13th after it (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { cpuUs: (Number(fields[11]) + Number(fields[12])) * TICK_US };
}
