// What machine this is, and what of it this process may use: whether a node and Redis share cores is seen by it.

import { readFileSync } from "node:fs";
import { availableCores } from "#runtime/sandbox/native-supervisor.ts";
import type { Machine } from "./messages.ts";

/** The same for every process of one boot of one machine, in containers too. */
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const STATUS = "/proc/self/status";

const thisMachine = (): Machine => ({
  id: readFileSync(BOOT_ID, "utf8").trim(),
  cpus: cpusOf(/^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(STATUS, "utf8"))?.[1] ?? ""),
  cores: availableCores(),
});

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
