// Other processes of this machine, as /proc shows them: who started whom, and how much CPU time they have had.

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

/** CPU time of all threads that these processes have now, µs: to be subtracted from a later look. */
export function cpuUsOf(pids: readonly number[]): number {
  return pids.reduce((total, pid) => {
    // The first field of schedstat is time on a CPU in ns; that of the process itself is its main thread's alone.
    const spent = threadsOf(pid).map((thread) =>
      Number(readIfThere(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]),
    );
    return total + spent.reduce((sum, ns) => sum + ns, 0) / 1e3;
  }, 0);
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
