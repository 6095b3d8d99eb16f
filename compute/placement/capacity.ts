// What there is to run calls on: the cores of all nodes and of Redis' machine, by what each of them reports.

import { callersAfter, callersGrown, inFlightAt, type Callers } from "#runtime/placement/callers.ts";
import type { Capacity } from "#runtime/placement/pool-use.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import type { Machine } from "./messages.ts";

/** A node that has sent nothing for this long takes no part. One with calls sends three times a second. */
const SILENT_MS = 5_000;
/** Further nodes are not counted. */
const NODES_MAX = 1_024;
/** Whatever else runs there, this part of a thread or core is planned with. */
const LEFT_MIN = 0.1;

/** Redis, its machine, and the sandbox hosts beside it. */
export interface Storage {
  /** null: not known. */
  readonly machine: Machine | null;
  /** Calls that its hosts can run at once. */
  readonly isolatesMax: number;
  /** Calls can run there. */
  readonly isOpen: boolean;
  /** The read cache is in use. */
  readonly findsReads: boolean;
  /** Cores that its hosts get while others keep them from more; Infinity: as many as they want. */
  readonly hostCores: number;
}

/** Work that is not for calls, in cores. */
interface OtherWork {
  readonly ofNodes: number;
  /** Of Redis' thread, for plain clients. */
  readonly ofRedis: number;
}

interface KnownNode extends Callers {
  /** null: calls that came without a node bring no cores. */
  readonly machine: Machine | null;
}

/** Stands for calls that came straight to Redis. No node has this name. */
const DIRECT = "";

export class Nodes {
  readonly #nodes = new Map<string, KnownNode>();

  /** A window of a node. `machine` null: of calls that came straight to Redis. */
  heard(node: string | null, machine: Machine | null, window: Parameters<typeof callersAfter>[1], nowMs: number): void {
    const name = node ?? DIRECT;
    const before = this.#nodes.get(name);
    if (before === undefined && this.#nodes.size >= NODES_MAX) return;
    this.#nodes.set(name, { machine, ...callersAfter(before, window, nowMs) });
  }

  forgetSilent(nowMs: number): void {
    for (const [node, { atMs }] of this.#nodes) if (nowMs - atMs > SILENT_MS) this.#nodes.delete(node);
  }

  get hasDirect(): boolean {
    return this.#nodes.has(DIRECT);
  }

  /** Nodes that had calls lately. */
  get count(): number {
    return this.#nodes.size - (this.hasDirect ? 1 : 0);
  }

  callersGrown(nowMs: number): number {
    return callersGrown(this.#nodes.values(), nowMs);
  }

  inFlight(nowMs: number): number {
    return inFlightAt(this.#nodes.values(), nowMs);
  }

  longestWindowMs(): number {
    return Math.max(WINDOW_MS, ...Array.from(this.#nodes.values(), ({ windowMs }) => windowMs));
  }

  /** Cores that the hosts beside Redis get; Infinity: as many as they want. */
  hostCores(storage: Storage): number {
    return coresOf(this.#machines(), storage).hostCores;
  }

  capacity(storage: Storage, { ofNodes, ofRedis }: OtherWork, nowMs: number): Capacity {
    const {
      hostCores: _,
      computeCores,
      storageMachineCores,
      sharedCores,
      storageCores,
    } = coresOf(this.#machines(), storage);
    const withoutOthers = (cores: number): number => Math.max(cores / 2, cores - ofNodes);
    const withoutPlain = (cores: number): number => Math.max(LEFT_MIN * cores, cores - ofRedis);
    return {
      computeCores: withoutOthers(computeCores),
      storageCores,
      redisThread: withoutPlain(1),
      storageMachineCores: withoutPlain(storageMachineCores),
      sharedCores: withoutPlain(withoutOthers(sharedCores)),
      nodes: Math.max(1, this.count),
      callers: this.inFlight(nowMs),
    };
  }

  #machines(): readonly Machine[] {
    return [...this.#nodes.values()].flatMap(({ machine }) => (machine === null ? [] : [machine]));
  }
}

/** Nodes on one machine share its cores. If all of them are on Redis' machine, so do both sides. */
function coresOf(nodes: readonly Machine[], { machine, isolatesMax, isOpen, hostCores: got }: Storage) {
  const cpusById = new Map<string, Set<number>>();
  const coresById = new Map<string, number>();
  for (const { id, cpus, cores } of nodes) {
    const all = (cpusById.get(id) ?? new Set<number>()).union(new Set(cpus));
    cpusById.set(id, all);
    coresById.set(id, Math.min(all.size, (coresById.get(id) ?? 0) + cores));
  }
  const computeCores = [...coresById.values()].reduce((sum, cores) => sum + cores, 0);
  const nodeCpus = machine === null ? undefined : cpusById.get(machine.id);
  const sharesSome = machine !== null && machine.cpus.some((cpu) => nodeCpus?.has(cpu));
  // A machine that is not known yet is taken for one core.
  const storageCores = machine?.cores ?? 1;
  const wanted = Math.min(storageCores, isolatesMax);
  const hostCores = sharesSome || got >= wanted ? Infinity : Math.max(LEFT_MIN * storageCores, got);
  return {
    hostCores,
    computeCores: Math.max(1, computeCores),
    storageCores: isOpen ? Math.min(wanted, hostCores) : 0,
    storageMachineCores: Math.max(1, storageCores),
    sharedCores: sharesSome && cpusById.size === 1 ? new Set(machine.cpus).union(nodeCpus!).size : Infinity,
  };
}
