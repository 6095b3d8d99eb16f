// Other processes of this machine, as /proc shows them: who started whom, who belongs together, and how much CPU time they
// have had.

import { readdirSync, readFileSync } from "node:fs";

/** Started by `pid` itself and still there. */
export function childrenOf(pid: number): readonly number[] {
  return threadsOf(pid).flatMap((thread) => {
    const pids = readIfThere(`/proc/${pid}/task/${thread}/children`).split(" ");
    return pids.filter((text) => text !== "").map(Number);
  });
}

/** With their children, and so on; without `pid` itself. */
export const descendantsOf = (pid: number): readonly number[] =>
  childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);

/** Command lines of the processes that a group has. */
export const membersOf = (group: number): readonly string[] =>
  readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    const [, , itsGroup] = statOf(pid);
    return Number(itsGroup) === group && !hasEnded(pid) ? [readIfThere(`/proc/${pid}/cmdline`)] : [];
  });

/** One that is only to be reaped has. */
export const hasEnded = (pid: number): boolean => [undefined, "", "Z"].includes(statOf(pid)[0]);

/** Does some work and tells what CPU time each group of processes spent meanwhile, µs. They must be there all the time. */
export async function watchCpu<Group extends string, Answer>(
  groups: Readonly<Record<Group, readonly number[]>>,
  work: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly cpuUs: Readonly<Record<Group, number>> }> {
  const names = Object.keys(groups) as Group[];
  const before = names.map((name) => cpuUsOf(groups[name]));
  const answer = await work();
  const spent = names.map((name, index) => [name, cpuUsOf(groups[name]) - (before[index] ?? 0)] as const);
  return { answer, cpuUs: Object.fromEntries(spent) as Record<Group, number> };
}

/** Of all threads that these processes have now. */
const cpuUsOf = (pids: readonly number[]): number =>
  pids.reduce((total, pid) => {
    // The first field of schedstat is time on a CPU in ns; that of the process itself is its main thread's alone.
    const ns = threadsOf(pid).map((thread) =>
      Number(readIfThere(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]),
    );
    return total + ns.reduce((sum, one) => sum + one, 0) / 1e3;
  }, 0);

/** Resident memory, as the kernel counts it for each: pages that they share count for all. */
export const residentBytesOf = (pids: readonly number[]): number =>
  pids.reduce((total, pid) => {
    const kib = /^VmRSS:\s*(\d+) kB/m.exec(readIfThere(`/proc/${pid}/status`))?.[1];
    return total + Number(kib ?? Number.NaN) * 1024;
  }, 0);

/** What /proc tells of it from its state on: the field before is its name, which may hold anything. */
export function statOf(pid: number): readonly string[] {
  const stat = readIfThere(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // it has ended
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
