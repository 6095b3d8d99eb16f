// Groups of the kernel that hold a process to its CPU and memory: cgroup v2, or v1 where the machine has that. Groups are made inside one
// folder that locus may write; where there is none, processes are not held to a quota.

import { mkdir, readdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PERIOD_US, quotaUs } from "./cpu-quota.ts";

/** A new group is empty until its process is in it: whoever shares the folder and opens or closes just then takes it for one that was left. */
const MAKE_TRIES = 10;
/** A group can be removed when the kernel has buried its last process. */
const REMOVE_TRIES = 50;
const REMOVE_PAUSE_MS = 20;

interface Files {
  /** Folders, below the root, in which a group has a folder each. */
  readonly controllers: readonly string[];
  readonly limit: (us: number) => readonly (readonly [file: string, text: string])[];
  readonly resize: (memoryBytes: number) => readonly (readonly [file: string, text: string])[];
  readonly cpuUse: string;
  readonly cpuUs: (text: string) => number;
  readonly throttled: string;
  readonly throttledUs: (text: string) => number;
  readonly kills: string;
}

/** By version. Names of files are relative to the root, with the group in place of "*". */
const FILES: Readonly<Record<1 | 2, Files>> = {
  1: {
    controllers: ["cpu", "cpuacct", "memory"],
    limit: (us) => [
      ["cpu/*/cpu.cfs_period_us", String(PERIOD_US)],
      ["cpu/*/cpu.cfs_quota_us", String(us)],
    ],
    resize: (bytes) => [["memory/*/memory.limit_in_bytes", String(bytes)]],
    cpuUse: "cpuacct/*/cpuacct.usage",
    cpuUs: (text) => Number(text) / 1e3,
    throttled: "cpu/*/cpu.stat",
    throttledUs: (text) => Number(/^throttled_time (\d+)$/m.exec(text)?.[1] ?? 0) / 1e3,
    kills: "memory/*/memory.oom_control",
  },
  2: {
    controllers: [""],
    limit: (us) => [["*/cpu.max", `${us} ${PERIOD_US}`]],
    resize: (bytes) => [["*/memory.max", String(bytes)]],
    cpuUse: "*/cpu.stat",
    cpuUs: (text) => Number(/^usage_usec (\d+)$/m.exec(text)?.[1] ?? 0),
    throttled: "*/cpu.stat",
    throttledUs: (text) => Number(/^throttled_usec (\d+)$/m.exec(text)?.[1] ?? 0),
    kills: "*/memory.events",
  },
};

interface CpuUse {
  readonly cpuUs: number;
  readonly throttledUs: number;
}

export class CgroupFolder {
  readonly #root: string;
  readonly #name: string;
  readonly #files: Files;

  private constructor(root: string, name: string, files: Files) {
    this.#root = root;
    this.#name = name;
    this.#files = files;
  }

  /** Where groups called `name` are, or would be: one folder, or of v1 one for each controller. */
  static async foldersOf(root: string, name: string): Promise<readonly string[]> {
    return foldersIn(root, name, FILES[(await isUnified(root)) ? 2 : 1]);
  }

  /** `name` is a folder below `root`, which is where the machine has its cgroups; made where it is not there. null where that may not be. */
  static async open(root: string, name: string): Promise<CgroupFolder | null> {
    const hasOne = await isUnified(root);
    const files = FILES[hasOne ? 2 : 1];
    try {
      for (const path of foldersIn(root, name, files)) await mkdir(path, { recursive: true });
      // The children of a folder have the controllers that it passes on.
      if (hasOne) await writeFile(join(root, name, "cgroup.subtree_control"), "+cpu +memory");
      const folder = new CgroupFolder(root, name, files);
      await folder.removeEmpty();
      return folder;
    } catch {
      return null;
    }
  }

  /** A group for one process, in which it is at once. Rejects where the kernel refuses it. */
  async group(
    id: string,
    pid: number,
    { cpus, memoryBytes }: { readonly cpus: number; readonly memoryBytes: number },
  ): Promise<Cgroup> {
    const group = new Cgroup(this.#root, join(this.#name, id), this.#files);
    try {
      await group.make(pid);
      await group.resize(memoryBytes);
      await group.limit(cpus);
      return group;
    } catch (error) {
      await group.remove();
      throw error;
    }
  }

  /** With the groups in it that have no process; one that is in use stays. */
  async remove(): Promise<void> {
    await this.removeEmpty();
    for (const folder of foldersIn(this.#root, this.#name, this.#files)) await rmdir(folder).catch(() => {});
  }

  /** Groups without a process: what an owner that crashed has left. */
  async removeEmpty(): Promise<void> {
    for (const folder of foldersIn(this.#root, this.#name, this.#files)) {
      for (const entry of await readdir(folder, { withFileTypes: true })) {
        // The kernel refuses for one that is in use.
        if (entry.isDirectory()) await rmdir(join(folder, entry.name)).catch(() => {});
      }
    }
  }
}

export class Cgroup {
  readonly #root: string;
  readonly #name: string;
  readonly #files: Files;

  constructor(root: string, name: string, files: Files) {
    this.#root = root;
    this.#name = name;
    this.#files = files;
  }

  async make(pid: number): Promise<void> {
    for (const folder of foldersIn(this.#root, this.#name, this.#files)) {
      for (let left = MAKE_TRIES; left > 0; left--) {
        // Two controllers of the first version may be one folder by two names.
        await mkdir(folder, { recursive: true });
        try {
          await writeFile(join(folder, "cgroup.procs"), String(pid));
          break;
        } catch (error) {
          if (left === 1 || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        }
      }
    }
  }

  async limit(cpus: number): Promise<void> {
    await this.#write(this.#files.limit(quotaUs(cpus)));
  }

  async resize(memoryBytes: number): Promise<void> {
    await this.#write(this.#files.resize(memoryBytes));
  }

  /** Of all that is and was in it. */
  async cpuUse(): Promise<CpuUse> {
    const { cpuUse, cpuUs, throttled, throttledUs } = this.#files;
    const [used, held] = await Promise.all([this.#read(cpuUse), this.#read(throttled)]);
    return { cpuUs: Math.round(cpuUs(used)), throttledUs: Math.round(throttledUs(held)) };
  }

  /** Whether the kernel has killed here for want of memory. */
  async hasKilled(): Promise<boolean> {
    const text = await this.#read(this.#files.kills).catch(() => "");
    return /^oom_kill [1-9]/m.test(text);
  }

  /** When its process has ended. */
  async remove(): Promise<void> {
    for (const folder of foldersIn(this.#root, this.#name, this.#files)) {
      for (let left = REMOVE_TRIES; left > 0 && (await exists(folder)); left--) {
        await rmdir(folder).catch(() => sleep(REMOVE_PAUSE_MS));
      }
    }
  }

  async #write(files: readonly (readonly [string, string])[]): Promise<void> {
    for (const [file, text] of files) await writeFile(this.#path(file), text);
  }

  #read(file: string): Promise<string> {
    return readFile(this.#path(file), "utf8");
  }

  #path(file: string): string {
    return join(this.#root, file.replace("*", this.#name));
  }
}

const foldersIn = (root: string, name: string, { controllers }: Files): readonly string[] =>
  controllers.map((controller) => join(root, controller, name));

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Whether the machine has the second version. */
const isUnified = (root: string): Promise<boolean> => exists(join(root, "cgroup.controllers"));
