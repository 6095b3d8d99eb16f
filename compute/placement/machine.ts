// What machine this is, and what of it this process may use: whether a node and Redis share cores is seen by it.

import { readFileSync } from "node:fs";
import { availableCores } from "#runtime/sandbox/native-supervisor.ts";
import type { Machine } from "./messages.ts";

/** The same for every process of one boot of one machine, in containers too. */
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const STATUS = "/proc/self/status";
const STAT = "/proc/stat";
/** As the kernel counts the time of cores, µs. */
const TICK_US = 10_000;

const thisMachine = (): Machine => ({
  id: readFileSync(BOOT_ID, "utf8").trim(),
  cpus: allowedCpus(),
  cores: availableCores(),
});

const allowedCpus = (): number[] =>
  cpusOf(/^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(STATUS, "utf8"))?.[1] ?? "");

/** Who runs this process may give it other cores meanwhile. */
const ANEW_MS = 1_000;

/** As it is now, to within a second; as it was, while nobody can tell, as where no more files may be open. Throws where that is so at once. */
export function machineNow(nowMs: () => number, read = thisMachine): () => Machine {
  let [known, readMs] = [read(), nowMs()];
  return () => {
    if (nowMs() - readMs < ANEW_MS) return known;
    readMs = nowMs();
    try {
      known = read();
    } catch {
      // As it was.
    }
    return known;
  };
}

/** Numbers of a list as the kernel writes it: `0-3,8`. Bounded; what is no number is left out. */
export function cpusOf(list: string): number[] {
  const cpus: number[] = [];
  for (const [, first = "", last] of list.matchAll(/(\d+)(?:-(\d+))?/g)) {
    for (let cpu = Number(first); cpu <= Number(last ?? first) && cpus.length < CPUS_MAX; cpu++) cpus.push(cpu);
  }
  return cpus;
}

const CPUS_MAX = 4_096;

/** For so long the cores that this process may use have had nothing to do since the machine started, all together, µs; in steps of 10 ms. NaN: nobody can tell. */
export function idleUs(): number {
  try {
    return idleUsIn(readFileSync(STAT, "utf8"), allowedCpus());
  } catch {
    return Number.NaN;
  }
}

/** `stat`: as the kernel tells it, each core's time by what it did: idle, or waiting for a disk, are the fourth and the fifth. */
export function idleUsIn(stat: string, cpus: readonly number[]): number {
  let ticks = 0;
  for (const [, cpu, idle, waiting] of stat.matchAll(/^cpu(\d+) \d+ \d+ \d+ (\d+) (\d+)/gm)) {
    if (cpus.includes(Number(cpu))) ticks += Number(idle) + Number(waiting);
  }
  // In some containers cores have other numbers there, or nothing is counted.
  return ticks === 0 ? Number.NaN : ticks * TICK_US;
}
