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

/** Of these, those whose command line has that text. */
export const childrenRunning = (pid: number, program: string): readonly number[] =>
  childrenOf(pid).filter((child) => readIfThere(`/proc/${child}/cmdline`).includes(program));

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
  const timesOf = (name: Group): readonly CpuTimes[] => groups[name].map(cpuTimesOf);
  const before = names.map(timesOf);
  const answer = await work();
  const spent = names.map((name, index) => [name, spentUs(before[index]!, timesOf(name))] as const);
  return { answer, cpuUs: Object.fromEntries(spent) as Record<Group, number> };
}

/** CPU time of a process, µs. */
interface CpuTimes {
  /** Of the threads that it has now, to the ns. */
  readonly threadsUs: number;
  /** Of all that it ever had, in hundredths of a second. */
  readonly allUs: number;
}

const TICK_US = 1e4;
/** Where the time in user mode stands, counted from the state on; that in the kernel follows. */
const UTIME = 11;

function cpuTimesOf(pid: number): CpuTimes {
  // The first field of schedstat is time on a CPU in ns; that of the process itself is its main thread's alone.
  const ns = threadsOf(pid).map((thread) => Number(readIfThere(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]));
  const [user, system] = statOf(pid)
    .slice(UTIME, UTIME + 2)
    .map(Number);
  return { threadsUs: ns.reduce((sum, one) => sum + one, 0) / 1e3, allUs: ((user ?? 0) + (system ?? 0)) * TICK_US };
}

/** A sandbox host's threads come and go with its isolates, and take their time along: then the coarser figure is nearer. */
const spentUs = (before: readonly CpuTimes[], after: readonly CpuTimes[]): number =>
  after.reduce((total, { threadsUs, allUs }, at) => {
    const was = before[at]!;
    return total + Math.max(threadsUs - was.threadsUs, allUs - was.allUs - TICK_US);
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

/** To a process that may have gone meanwhile. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
