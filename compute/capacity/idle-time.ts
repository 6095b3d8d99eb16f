// How long the cores of this process have been idle, by the kernel's own counts.

import { readFileSync } from "node:fs";
import { allowedCpus } from "../placement/machine.ts";

const STAT = "/proc/stat";
/** The kernel counts core time in ticks of this, µs. */
const TICK_US = 10_000;

/** Idle time of all cores that this process may use, µs since the machine started. NaN: unknown. */
export function idleUs(): number {
  try {
    return idleUsIn(readFileSync(STAT, "utf8"), allowedCpus());
  } catch {
    return Number.NaN;
  }
}

/** Idle, or waiting for a disk: the fourth and the fifth number of a core's line. */
export function idleUsIn(stat: string, cpus: readonly number[]): number {
  let ticks = 0;
  for (const [, cpu, idle, waiting] of stat.matchAll(/^cpu(\d+) \d+ \d+ \d+ (\d+) (\d+)/gm)) {
    if (cpus.includes(Number(cpu))) ticks += Number(idle) + Number(waiting);
  }
  // In some containers cores have other numbers there, or nothing is counted.
  return ticks === 0 ? Number.NaN : ticks * TICK_US;
}
