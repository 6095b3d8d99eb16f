// This machine and its cores: they tell whether a node and Redis share cores.

import { readFileSync } from "node:fs";
import { availableCores } from "#runtime/sandbox/native-supervisor.ts";
import { CPUS_MAX, type Machine } from "./messages.ts";

/** The same for every process until the machine restarts, in containers too. */
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const STATUS = "/proc/self/status";
/** Time between readings: an operator may give the process other cores. Not sensitive. */
const READ_EVERY_MS = 1_000;

const thisMachine = (): Machine => ({
  id: readFileSync(BOOT_ID, "utf8").trim(),
  cpus: allowedCpus(),
  cores: availableCores(),
});

/** Cores that this process may use. */
export const allowedCpus = (): number[] =>
  cpusOf(/^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(STATUS, "utf8"))?.[1] ?? "");

/** Read again once a second; unchanged if that fails. Throws if the first reading fails. */
export function machineNow(nowMs: () => number, read = thisMachine): () => Machine {
  let [machine, readMs] = [read(), nowMs()];
  return () => {
    if (nowMs() - readMs < READ_EVERY_MS) return machine;
    readMs = nowMs();
    try {
      machine = read();
    } catch {
      // For example, no more files may be open.
    }
    return machine;
  };
}

/** From a list such as `0-3,8`. */
export function cpusOf(list: string): number[] {
  const cpus: number[] = [];
  for (const [, first = "", last] of list.matchAll(/(\d+)(?:-(\d+))?/g)) {
    for (let cpu = Number(first); cpu <= Number(last ?? first) && cpus.length < CPUS_MAX; cpu++) cpus.push(cpu);
  }
  return cpus;
}
