// Which part of a benchmark runs on which cores. Storage and compute stand for machines of their own, so where there are
// four cores or more they share none; with fewer they must, and the result says who shares what.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** `host`: the sandbox host beside Redis. `node`: a node with its own host, or a server that is compared with one. */
type Part = "redis" | "host" | "node" | "load";

export interface Layout {
  /** Whether parts are held to their cores. */
  readonly pinned: boolean;
  readonly cores: Readonly<Record<Part, readonly number[]>>;
}

/** Of util-linux. */
const TASKSET = "taskset";
/** Fewer cores than this cannot be told apart into storage and compute. */
const CORES_APART_MIN = 4;

/** Redis alone on a core, its sandbox host on the next, then a node of two cores, and whoever loads it. */
export function apartLayout(cores: readonly number[]): Layout {
  if (cores.length < CORES_APART_MIN) return sharedLayout(cores);
  const [redis, host, ...others] = cores;
  const node = others.slice(0, 2);
  const load = others.length > 2 ? others.slice(2, 4) : node;
  return { pinned: true, cores: { redis: [redis!], host: [host!], node, load } };
}

/** The same; and where there are two or three cores Redis still has one, since what talks to it in turns has to be beside it. */
export function pairLayout(cores: readonly number[]): Layout {
  const [redis, ...others] = cores;
  if (cores.length >= CORES_APART_MIN || others.length === 0) return apartLayout(cores);
  return { pinned: true, cores: { redis: [redis!], host: others.slice(0, 1), node: others, load: others } };
}

/** Storage and compute as two machines of the same size: Redis with its host on one half of the cores, a node with its load on the other. */
export function splitLayout(cores: readonly number[]): Layout {
  if (cores.length < 2) return sharedLayout(cores);
  const half = Math.floor(cores.length / 2);
  const [storage, compute] = [cores.slice(0, half), cores.slice(half, 2 * half)];
  return { pinned: true, cores: { redis: storage, host: storage, node: compute, load: compute } };
}

/** For work without data: the server on two cores, its load on two others, where Redis idles as well. */
export function serverLayout(cores: readonly number[]): Layout {
  if (cores.length < CORES_APART_MIN) return sharedLayout(cores);
  const [node, load] = [cores.slice(0, 2), cores.slice(2, 4)];
  return { pinned: true, cores: { redis: load, host: load, node, load } };
}

/** Nothing is held to any core. */
export const sharedLayout = (cores: readonly number[]): Layout => ({
  pinned: false,
  cores: { redis: cores, host: cores, node: cores, load: cores },
});

/** Who shares cores with whom, in words. */
export function sharingOf({ pinned, cores }: Layout): string {
  if (!pinned) return "nothing is pinned: Redis, sandbox hosts, node and load share all cores";
  const byCores = Map.groupBy(Object.keys(cores) as Part[], (part) => cores[part].join(","));
  const groups = [...byCores].map(([list, parts]) => `${parts.join(", ")} on ${list}`);
  return `by core: ${groups.join("; ")}`;
}

/** The cores that this process may use, one hardware thread of each. */
export function usableCores(): readonly number[] {
  const status = readFileSync("/proc/self/status", "utf8");
  const allowed = parseCoreList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? "0");
  const seen = new Set<number>();
  return allowed.filter((core) => {
    if (seen.has(core)) return false;
    const siblings = `/sys/devices/system/cpu/cpu${core}/topology/thread_siblings_list`;
    if (existsSync(siblings)) for (const sibling of parseCoreList(readFileSync(siblings, "utf8"))) seen.add(sibling);
    return true;
  });
}

/** The kernel's notation: "0-3,8". */
export const parseCoreList = (text: string): readonly number[] =>
  text
    .trim()
    .split(",")
    .flatMap((range) => {
      const [first = 0, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });

/** A thread that ends while taskset goes through them all fails it. */
const PIN_ATTEMPTS_MAX = 10;

/** Holds a process to these cores, all its threads; what it starts from now on is held as well. */
export function pin(pid: number, cores: readonly number[]): void {
  const argv = ["--all-tasks", "--pid", "--cpu-list", cores.join(","), String(pid)];
  let said: unknown;
  for (let attempt = 0; attempt < PIN_ATTEMPTS_MAX; attempt++) {
    const { status, error, stderr } = spawnSync(TASKSET, argv, { encoding: "utf8" });
    if (status === 0) return;
    said = error ?? stderr;
  }
  throw new Error(`taskset cannot hold process ${pid} to the cores ${cores.join(",")}`, { cause: said });
}
